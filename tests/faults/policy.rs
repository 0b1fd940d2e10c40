//! Policy: what the driver does about 401s, refusals and replies that stay malformed.
