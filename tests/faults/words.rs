//! The exact words of errors, one test a row.
