use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlawKind {
    /// Acknowledged, but the journal does not have it.
    Lost,
    /// In the journal, but no answer told of it.
    ChargedTwice,
    /// A repetition was not answered as the first time.
    AnsweredDifferently,
    /// In the journal as something other than what was asked for.
    WrittenDifferently,
    /// Refused although nothing forbids it.
    Refused,
    /// Answered with a server error, or never.
    Unanswered,
    /// Time did not do what it must, or more.
    NotInTime,
    /// A read that no moment of the wallet can have shown.
    Read,
    /// No order of the operations on a wallet explains the answers.
    NotLinearizable,
    Balance,
    Verify,
}

#[derive(Clone, Debug)]
pub struct Flaw {
    pub kind: FlawKind,
    pub what: String,
}

impl Flaw {
    pub(super) fn new(kind: FlawKind, what: impl Into<String>) -> Flaw {
        Flaw { kind, what: what.into() }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}
