//! A request and its reply over each HTTP client. The files are those that the docs of `videokit_session::sending` show,
//! and are there so that its package has them.

#[path = "../../src/docs/send/hyper.rs"]
pub mod hyper;
#[path = "../../src/docs/send/reqwest.rs"]
pub mod reqwest;
#[path = "../../src/docs/send/ureq.rs"]
pub mod ureq;
