//! What a poll answers has to be carried out.
#![deny(unused_must_use)]
use videokit_session::{Driver, Moment};

fn ignore_the_output(driver: &mut Driver, now: Moment) {
    driver.poll(now);
}

fn main() {}
