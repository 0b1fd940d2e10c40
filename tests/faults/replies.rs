//! Which denial a reply is.
