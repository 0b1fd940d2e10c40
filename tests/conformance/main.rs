//! Good run loops pass the conformance kit, and each way to get a loop wrong is caught, with the sentence
//! that says how to mend it.

mod bad;
mod blocking;
mod event_loop;
mod frames;
mod habits;
mod planted;
mod report;
mod tasks;
