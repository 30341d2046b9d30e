//! Stripe's test cards (<https://docs.stripe.com/testing>). Other numbers are declined, as in test mode.

use kernel::Timestamp;

/// What the bank says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Approve,
    /// Approved, though Radar has its doubts.
    Elevated,
    /// Approved now, called fraud by the holder at once.
    Warn,
    /// Approved now, disputed at once.
    Dispute,
    /// The holder must prove who they are.
    Authenticate,
    /// The holder can prove it, and is asked when the shop wants it.
    AuthenticateIfAsked,
    Decline(Decline),
    /// Declined on the first attempt of a payment, approved on the next.
    Recover(Decline),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decline {
    pub code: &'static str,
    pub decline_code: &'static str,
    pub message: &'static str,
}

pub(crate) struct Card {
    pub number: String,
    pub exp_month: u8,
    pub exp_year: u16,
}

const fn decline(code: &'static str, decline_code: &'static str, message: &'static str) -> Verdict {
    Verdict::Decline(Decline { code, decline_code, message })
}

/// As a bank's decline code tells of Radar's block.
pub(crate) const BLOCKED: &str = "fraudulent";
const DECLINED: &str = "Your card was declined.";
/// A number that Stripe's list of test cards does not use.
const RECOVERS: &str = "4000000000000606";

const INSUFFICIENT_FUNDS: Decline = Decline {
    code: "card_declined",
    decline_code: "insufficient_funds",
    message: "Your card has insufficient funds.",
};

const CARDS: [(&str, Verdict); 20] = [
    ("4242424242424242", Verdict::Approve),
    ("4000000000000002", decline("card_declined", "generic_decline", DECLINED)),
    ("4000000000009995", Verdict::Decline(INSUFFICIENT_FUNDS)),
    ("4000000000009987", decline("card_declined", "lost_card", DECLINED)),
    ("4000000000009979", decline("card_declined", "stolen_card", DECLINED)),
    ("4000000000000069", decline("expired_card", "expired_card", "Your card has expired.")),
    (
        "4000000000000127",
        decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."),
    ),
    (
        "4000000000000119",
        decline(
            "processing_error",
            "processing_error",
            "An error occurred while processing your card. Try again in a little bit.",
        ),
    ),
    // Taken as a customer's card, then declined whenever it is charged.
    ("4000000000000341", decline("card_declined", "generic_decline", DECLINED)),
    // Ours alone: Stripe has no card whose holder finds the money.
    (RECOVERS, Verdict::Recover(INSUFFICIENT_FUNDS)),
    ("4000002500003155", Verdict::Authenticate),
    ("4000002760003184", Verdict::Authenticate),
    ("4000000000003055", Verdict::AuthenticateIfAsked),
    ("4000000000000259", Verdict::Dispute),
    ("4000000000005423", Verdict::Warn),
    ("4000000000009235", Verdict::Elevated),
    // Radar's highest risk: always blocked.
    ("4100000000000019", decline("card_declined", BLOCKED, DECLINED)),
    // Issued in Germany, and in Britain.
    ("4000002760000016", Verdict::Approve),
    ("4000008260000000", Verdict::Approve),
    ("5555555555554444", Verdict::Approve),
];

const UNKNOWN: Verdict = decline(
    "card_declined",
    "test_mode_live_card",
    "Your card was declined. Your request was in test mode, but used a non test card.",
);

/// What a holder says at the 3-D Secure page in place of "Complete".
pub(crate) const AUTHENTICATION_FAILED: Decline = Decline {
    code: "payment_intent_authentication_failure",
    decline_code: "authentication_required",
    message: "We are unable to authenticate your payment method. Please choose a different payment method \
              and try again.",
};

impl Card {
    /// Reads what was typed; the error names each field that is wrong.
    pub fn read(number: &str, expiry: &str, cvc: &str, now: Timestamp) -> Result<Card, CardErrors> {
        let mut errors = CardErrors::default();
        let number: String = number.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        if !is_card_number(&number) {
            errors.number = Some("Enter a card number, such as 4242 4242 4242 4242.");
        }
        let expiry = read_expiry(expiry);
        match expiry {
            None => errors.expiry = Some("Enter the expiry date as month and year, such as 12 / 34."),
            Some((month, year)) if is_past(month, year, now) => {
                errors.expiry = Some("This date has passed. Enter a date in the future.");
            }
            Some(_) => {}
        }
        let cvc = cvc.trim();
        if !(3..=4).contains(&cvc.len()) || !cvc.bytes().all(|b| b.is_ascii_digit()) {
            errors.cvc = Some("Enter the 3 or 4 digits of the security code.");
        }
        match expiry {
            Some((exp_month, exp_year)) if errors == CardErrors::default() => {
                Ok(Card { number, exp_month, exp_year })
            }
            _ => Err(errors),
        }
    }

    pub fn verdict(&self) -> Verdict {
        CARDS.iter().find(|(number, _)| *number == self.number).map_or(UNKNOWN, |(_, verdict)| *verdict)
    }

    pub fn last4(&self) -> &str {
        self.number.get(self.number.len().saturating_sub(4)..).unwrap_or_default()
    }

    /// Where it was issued.
    pub fn country(&self) -> &'static str {
        match self.number.as_str() {
            "4000002760000016" => "DE",
            "4000008260000000" => "GB",
            _ => "US",
        }
    }

    pub fn brand(&self) -> &'static str {
        if self.number.starts_with('5') { "mastercard" } else { "visa" }
    }
}

/// Why a card cannot be sent to the bank, field by field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CardErrors {
    pub number: Option<&'static str>,
    pub expiry: Option<&'static str>,
    pub cvc: Option<&'static str>,
}

/// 12 to 19 digits with Luhn's check digit.
fn is_card_number(number: &str) -> bool {
    if !(12..=19).contains(&number.len()) || !number.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, digit)| {
            let digit = u32::from(digit - b'0') * (1 + u32::from(i % 2 == 1));
            if digit > 9 { digit - 9 } else { digit }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// `12/34`, `12 / 2034` or `1234`.
fn read_expiry(text: &str) -> Option<(u8, u16)> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let is_plain = text.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '/' | '-'));
    let (month, year) = digits.split_at_checked(2).filter(|_| is_plain)?;
    let year: u16 = match year.len() {
        2 => 2000 + year.parse::<u16>().ok()?,
        4 => year.parse().ok()?,
        _ => return None,
    };
    let month: u8 = month.parse().ok()?;
    (1..=12).contains(&month).then_some((month, year))
}

/// A card is good to the end of its month.
fn is_past(month: u8, year: u16, now: Timestamp) -> bool {
    let today = now.to_string();
    let this_month = today.get(..7).unwrap_or_default();
    format!("{year:04}-{month:02}").as_str() < this_month
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().expect("an instant")
    }

    fn read(number: &str, expiry: &str, cvc: &str) -> Result<Card, CardErrors> {
        Card::read(number, expiry, cvc, now())
    }

    #[test]
    fn every_test_card_is_a_card_number() {
        for (number, verdict) in CARDS {
            let card = read(number, "12/34", "123").unwrap_or_else(|e| panic!("{number}: {e:?}"));
            assert_eq!(card.verdict(), verdict);
        }
    }

    #[test]
    fn another_good_number_is_declined_as_in_test_mode() {
        let card = read("4111 1111 1111 1111", "12 / 2034", "123").unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(card.verdict(), UNKNOWN);
        assert_eq!((card.last4(), card.exp_month, card.exp_year), ("1111", 12, 2034));
    }

    #[test]
    fn each_wrong_field_is_named() {
        let errors = read("4242 4242 4242 4241", "13/34", "12").err().expect("all wrong");
        assert!(errors.number.is_some() && errors.expiry.is_some() && errors.cvc.is_some());
        for (expiry, is_wrong) in
            [("10/26", true), ("11/26", false), ("1126", false), ("", true), ("٣/34", true)]
        {
            let wrong = read("4242424242424242", expiry, "123").err().and_then(|e| e.expiry);
            assert_eq!(wrong.is_some(), is_wrong, "{expiry}");
        }
    }
}
