//! Numbers, money and instants as people read them, on pages and in mails alike.

use crate::{Credits, Money, Timestamp};
use chrono::{DateTime, Utc};

/// Currencies whose minor unit is not a hundredth.
const WITHOUT_DECIMALS: [&str; 16] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof",
    "xpf",
];
const WITH_THREE: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

/// `1,234.5`, `−3`
pub fn credits(credits: Credits) -> String {
    grouped(&credits.to_string())
}

/// `+1,234.5`, `−3`, `0`
pub fn signed_credits(credits: Credits) -> String {
    match credits {
        c if c.is_positive() => format!("+{}", grouped(&c.to_string())),
        c => grouped(&c.to_string()),
    }
}

/// `$45.00`, `€9.90`, `CHF 12.00`, `¥1,200`
pub fn money(money: Money) -> String {
    let code = money.currency.as_str();
    let digits = match code {
        code if WITHOUT_DECIMALS.contains(&code) => 0,
        code if WITH_THREE.contains(&code) => 3,
        _ => 2,
    };
    let sign = if money.amount < 0 { "\u{2212}" } else { "" };
    let minor = format!("{:0width$}", money.amount.unsigned_abs(), width = digits + 1);
    let (whole, part) = minor.split_at(minor.len() - digits);
    let point = if digits == 0 { "" } else { "." };
    let number = format!("{}{point}{part}", grouped(whole));
    match code {
        "usd" => format!("{sign}${number}"),
        "eur" => format!("{sign}€{number}"),
        "gbp" => format!("{sign}£{number}"),
        "jpy" => format!("{sign}¥{number}"),
        code => format!("{sign}{} {number}", code.to_uppercase()),
    }
}

/// `22 Nov 2026, 16:36 UTC`
pub fn instant(at: Timestamp) -> String {
    utc(at).format("%-d %b %Y, %H:%M UTC").to_string()
}

/// `22 Nov 2026`
pub fn date(at: Timestamp) -> String {
    utc(at).format("%-d %b %Y").to_string()
}

fn utc(at: Timestamp) -> DateTime<Utc> {
    at.to_utc()
}

/// Commas between thousands, in front of the point only; the sign is a minus, not a hyphen.
fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |rest| ("\u{2212}", rest));
    let (whole, part) = digits.split_once('.').map_or((digits, None), |(whole, part)| (whole, Some(part)));
    let mut text = sign.to_owned();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(part) = part {
        text.push('.');
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_have_commas_and_keep_every_digit() {
        for (text, shown) in [("0", "0"), ("999.5", "999.5"), ("1234567.000001", "1,234,567.000001")] {
            assert_eq!(credits(text.parse().unwrap()), shown);
        }
        assert_eq!(credits(Credits::whole(-1234)), "\u{2212}1,234");
        assert_eq!(signed_credits(Credits::whole(-1234)), "\u{2212}1,234");
        assert_eq!(signed_credits(Credits::whole(5)), "+5");
        assert_eq!(signed_credits(Credits::ZERO), "0");
    }

    #[test]
    fn money_has_the_decimals_of_its_currency() {
        let shown = |amount, code: &str| money(Money { amount, currency: code.parse().unwrap() });
        assert_eq!(shown(4500, "usd"), "$45.00");
        assert_eq!(shown(5, "eur"), "€0.05");
        assert_eq!(shown(1200, "jpy"), "¥1,200");
        assert_eq!(shown(-123_456, "chf"), "\u{2212}CHF 1,234.56");
        assert_eq!(shown(1234, "kwd"), "KWD 1.234");
    }

    #[test]
    fn instants_name_their_zone() {
        assert_eq!(instant("2026-11-02T09:05:07Z".parse().unwrap()), "2 Nov 2026, 09:05 UTC");
        assert_eq!(date("2026-11-02T09:05:07Z".parse().unwrap()), "2 Nov 2026");
    }
}
