//! Tokens that are wiped when dropped and never printed.
//!
//! A token lives in one buffer, together with the scheme that stands before it in a header, so that a
//! request borrows it without a copy. Clones share the buffer; the last one to go wipes it. That holds
//! for the buffers of this crate: what an HTTP stack copies into its own buffers, and the reply body
//! that a token came in, belong to the caller.

mod api_token;
mod buffer;
mod session_token;

pub use api_token::ApiToken;
pub use buffer::TokenError;
pub use session_token::SessionToken;

pub(crate) use buffer::{BEARER, ZeroizingBuffer};
