//! The examples, used from Node and by curl. `npm ci` in this folder installs what the scripts need.

mod run;
mod vendor;

#[path = "../gateway/program.rs"]
mod program;
