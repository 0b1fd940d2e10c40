//! Tokens that are wiped when dropped and never printed.
//!
//! A token has one buffer, which also contains the scheme before it, so that a header shares it without a copy.
//! Clones share the buffer, and the last one that is dropped wipes it. That holds for the buffers of this crate
//! only: copies that an HTTP client makes, and the body of the reply that brought the token, belong to the caller.

mod buffer;
mod token;

pub use token::{ApiToken, SessionToken, TokenError};

pub(crate) use buffer::ZeroizingBuffer;
pub(crate) use token::{BEARER, TOKEN_LIMIT};
