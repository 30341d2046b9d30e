use kernel::Timestamp;

/// What an event tells of the risk of a payment. A hint for the risk rules and for people: no credits move
/// because of it, so it is taken at the event's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentSign {
    /// The gateway's id of the charge, warning or dispute: what tells it again tells it once.
    pub id: String,
    pub kind: SignKind,
    pub at: Option<Timestamp>,
    /// The gateway's own opinion.
    pub risk_level: Option<RiskLevel>,
    /// The same for the same card; says nothing of its number.
    pub card: Option<String>,
    /// Two letters each, where the card was issued and where its bill goes.
    pub card_country: Option<String>,
    pub billing_country: Option<String>,
    /// The bank knows that the holder of the card paid (3-D Secure). Not so when it was merely asked, or let the
    /// payment through without asking.
    pub is_authenticated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignKind {
    Succeeded,
    Failed,
    /// The card's network says that the holder calls it fraud.
    Warned,
    Disputed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RiskLevel {
    Normal,
    Elevated,
    Highest,
}

impl SignKind {
    pub const ALL: [SignKind; 4] =
        [SignKind::Succeeded, SignKind::Failed, SignKind::Warned, SignKind::Disputed];

    pub const fn as_str(self) -> &'static str {
        match self {
            SignKind::Succeeded => "succeeded",
            SignKind::Failed => "failed",
            SignKind::Warned => "warned",
            SignKind::Disputed => "disputed",
        }
    }
}

impl RiskLevel {
    pub const ALL: [RiskLevel; 3] = [RiskLevel::Normal, RiskLevel::Elevated, RiskLevel::Highest];

    pub const fn as_str(self) -> &'static str {
        match self {
            RiskLevel::Normal => "normal",
            RiskLevel::Elevated => "elevated",
            RiskLevel::Highest => "highest",
        }
    }
}
