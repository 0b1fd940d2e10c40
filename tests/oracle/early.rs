//! Tokens that die early: which 401s ask for a renewal, and what they teach about the age at which tokens die.
//! From the chapter of that name in the docs of `driver`, and nothing of its code: `reference`, `model` and `rules`
//! hold the driver to it. Times and ages in milliseconds.

/// What the API said of a token, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refused {
    Never,
    /// It is not renewed for it.
    Reported,
    /// It is to be renewed for it; the age that is learned if that cures.
    Wanted(Option<i64>),
}

/// Where a token came from, and what the API said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenStatus {
    /// Whether the driver asked for it.
    pub(crate) own: bool,
    /// Whether it came from a renewal after a 401.
    pub(crate) after_401: bool,
    pub(crate) refused: Refused,
}

/// What one login has learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Early {
    least: i64,
    cap: i64,
    /// The most tokens that pass between two trials.
    most: u32,
    pub(crate) threshold: i64,
    /// The age that is known to hold.
    pub(crate) known: Option<i64>,
    /// The age that is tried.
    tried: Option<i64>,
    /// How many tokens pass before the next trial, and how many have.
    wait: u32,
    passed: u32,
    /// The age of the predecessor, where it is not known yet whether its renewal cured.
    pub(crate) suspected: Option<i64>,
    last_401: Option<i64>,
    longest_gap: i64,
    /// The number of the last token, if no 401 on it has come yet, and what it was scheduled by.
    pub(crate) untouched: Option<(u64, Schedule)>,
}

/// What tokens are scheduled by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Schedule {
    known: Option<i64>,
    tried: Option<i64>,
    passed: u32,
}

impl Schedule {
    #[allow(dead_code, reason = "for `model`, whose states are relative to now")]
    pub(crate) fn age(self) -> Option<i64> {
        self.tried.or(self.known)
    }
}

impl Early {
    pub(crate) fn new((least, cap): (i64, i64), most: u32) -> Self {
        Self {
            least,
            cap,
            most,
            threshold: least,
            known: None,
            tried: None,
            wait: 1,
            passed: 0,
            suspected: None,
            last_401: None,
            longest_gap: 0,
            untouched: None,
        }
    }

    /// The age that tokens are scheduled by.
    pub(crate) fn age(&self) -> Option<i64> {
        self.tried.or(self.known)
    }

    /// At which age a token shows that the renewal cured, and what tokens are scheduled by from then on.
    pub(crate) fn proof(&self, status: TokenStatus) -> Option<(i64, Option<i64>)> {
        if self.suspected.is_none() || status.refused != Refused::Never {
            return None;
        }
        let mut cured = *self;
        cured.learn();
        Some((self.threshold, cured.age()))
    }

    /// The token has lived so long.
    pub(crate) fn lived(&mut self, status: TokenStatus, age: i64) {
        if self.proof(status).is_some_and(|(shown_at, _)| shown_at <= age) {
            self.learn();
        }
    }

    fn learn(&mut self) {
        let Some(died) = self.suspected.take() else { return };
        if self.tried.take().is_some() {
            self.wait = (self.wait * 2).min(self.most);
        }
        self.known = Some(self.known.unwrap_or(died).min(died));
        self.passed = 0;
    }

    fn forget(&mut self) {
        (self.known, self.tried, self.passed) = (None, None, 0);
    }

    fn strike(&mut self) {
        self.threshold = (self.threshold * 4).min(self.cap);
    }

    /// A 401 at the time `at`, on the token of this number, which was replaced or has expired. If it is the first on
    /// the last token, that one didn't reach its schedule.
    pub(crate) fn refuse_late(&mut self, token: u64, age: i64, at: i64) {
        let Some((_, schedule)) = self.untouched.filter(|(number, _)| *number == token) else {
            return;
        };
        self.untouched = None;
        let Some(known) = schedule.known else { return };
        self.note_gap(at);
        (self.known, self.tried, self.passed) = (schedule.known, schedule.tried, schedule.passed);
        let none_held = schedule.tried.is_none() && schedule.passed == 0;
        if none_held || age < known / 2 || age < self.least {
            self.strike();
            self.forget();
            self.wait = 1;
        } else {
            self.suspected = Some(age);
            self.learn();
        }
    }

    fn note_gap(&mut self, at: i64) {
        if let Some(last) = self.last_401 {
            let gap = at - last;
            if self.threshold > self.least && gap >= 4 * self.longest_gap.max(self.threshold) {
                self.threshold = self.least;
                self.longest_gap = 0;
            }
            self.longest_gap = self.longest_gap.max(gap.min(self.cap));
        }
        self.last_401 = Some(at);
    }

    /// A 401 at the time `at`, on a token that would live until the age `stated`. The answer is what follows.
    pub(crate) fn refuse(
        &mut self,
        status: TokenStatus,
        age: i64,
        stated: i64,
        at: i64,
    ) -> Refused {
        self.note_gap(at);
        self.untouched = None;
        if let Refused::Wanted(_) = status.refused {
            return status.refused;
        }
        if !status.own {
            return Refused::Wanted(None);
        }
        let first = status.refused == Refused::Never;
        let early = self.known.is_some_and(|known| age < known / 2 || age < self.least);
        let as_long = self.suspected.is_some_and(|died| age >= self.least && age * 4 >= died * 3);
        let mut lesson = Some(age).filter(|_| age >= self.least && age < stated);
        let mut explained = false;
        match (first && early, first && as_long) {
            (true, _)
                if status.after_401
                    && self.suspected.is_none()
                    && lesson.is_some()
                    && age >= self.threshold =>
            {
                self.forget();
            }
            (true, _) => {
                self.strike();
                self.forget();
                self.wait = 1;
                lesson = None;
            }
            (false, true) => {
                self.learn();
                explained = true;
            }
            (false, false) => {}
        }
        let new_to_it = self.threshold == self.least && !status.after_401;
        if explained || new_to_it || age >= self.threshold {
            return Refused::Wanted(lesson);
        }
        if self.suspected.take().is_some() {
            self.strike();
        }
        Refused::Reported
    }

    /// The token of this number gives way to another, or is over.
    pub(crate) fn end(&mut self, status: TokenStatus, age: i64, stated: i64, number: u64) {
        self.untouched = None;
        if !status.own {
            return;
        }
        self.lived(status, age);
        let schedule = Schedule { known: self.known, tried: self.tried, passed: self.passed };
        let untouched = Some((number, schedule));
        let counts = status.refused == Refused::Never && self.known.is_some();
        self.untouched = untouched.filter(|_| counts);
        match status.refused {
            Refused::Never if self.suspected.is_some() => self.learn(),
            Refused::Never => self.held(age, stated),
            Refused::Reported => self.suspected = None,
            Refused::Wanted(lesson) => self.suspected = lesson,
        }
    }

    /// A token reached its schedule without a 401.
    fn held(&mut self, age: i64, stated: i64) {
        let Some(known) = self.known else { return };
        if let Some(tried) = self.tried {
            if tried >= stated {
                self.forget();
                self.wait = 1;
                return;
            }
            self.known = Some(age.min(tried).max(known));
        } else {
            self.passed += 1;
            if self.passed < self.wait {
                return;
            }
        }
        self.passed = 0;
        self.tried = self.known.map(|known| (2 * known).min(stated.max(known)));
    }

    /// The same as of `now`, with times that make no difference any more as one time.
    #[allow(dead_code, reason = "for `model`, whose states are relative to now")]
    pub(crate) fn relative_to(self, now: i64, last: Option<u64>) -> Self {
        let raised = self.threshold > self.least;
        let quiet = if raised { 4 * self.longest_gap.max(self.threshold) } else { 0 };
        let longest = quiet.max(self.cap);
        let untouched = self.untouched.filter(|(number, _)| Some(*number) == last);
        Self {
            last_401: self.last_401.map(|last| (now - last).min(longest)),
            untouched: untouched.map(|(_, schedule)| (0, schedule)),
            ..self
        }
    }

    /// What comes next proves nothing about what was before.
    pub(crate) fn give_up_suspicion(&mut self) {
        self.suspected = None;
    }

    /// There are new credentials.
    pub(crate) fn trust(&mut self) {
        self.threshold = self.least;
        self.suspected = None;
        self.last_401 = None;
        self.longest_gap = 0;
        self.untouched = None;
    }
}
