//! The simulator, plans of faults, and the recorder.
