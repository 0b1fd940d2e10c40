//! Misuse, and inputs that nobody sends by accident.
