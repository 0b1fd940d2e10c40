//! Lifetimes, dates and ages.
