//! Tokens that are wiped when dropped and never printed.
//!
//! A token has one buffer, which also contains the scheme before it, so that a header shares it without a copy.
//! Clones share the buffer, and the last one that is dropped wipes it. That holds for the buffers of this crate
//! only: copies that an HTTP client makes, and the body of the reply that brought the token, belong to the caller.

mod api_token;
mod buffer;
mod session_token;

pub use api_token::ApiToken;
pub use buffer::TokenError;
pub use session_token::SessionToken;

pub(crate) use buffer::{BEARER, ZeroizingBuffer};
