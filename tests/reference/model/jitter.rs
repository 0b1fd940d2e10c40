//! What chance decides, as far as it is known.

/// A number that lies between two, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Between {
    pub(crate) least: i64,
    pub(crate) most: i64,
}

impl Between {
    pub(crate) fn new(least: i64, most: i64) -> Self {
        Self { least, most }
    }

    pub(crate) fn exactly(number: i64) -> Self {
        Self { least: number, most: number }
    }

    /// What is left of it if it also lies between these.
    pub(crate) fn and(self, least: i64, most: i64) -> Result<Self, String> {
        let both = Self { least: self.least.max(least), most: self.most.min(most) };
        if both.least <= both.most {
            return Ok(both);
        }
        let shown = if least == i64::MIN { String::new() } else { format!("from {least} ") };
        Err(format!("it is from {} to {}, and not {shown}to {most}", self.least, self.most))
    }
}
