//! Amounts as people read them.

const WITHOUT_DECIMALS: [&str; 16] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof",
    "xpf",
];
const WITH_THREE: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

pub(crate) fn show(minor: i64, currency: &str) -> String {
    let (divisor, digits) = match currency {
        c if WITHOUT_DECIMALS.contains(&c) => return format!("{minor} {}", c.to_uppercase()),
        c if WITH_THREE.contains(&c) => (1_000, 3),
        _ => (100, 2),
    };
    let (whole, part) = (minor / divisor, (minor % divisor).abs());
    format!("{whole}.{part:0digits$} {}", currency.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::show;

    #[test]
    fn each_currency_has_its_decimals() {
        assert_eq!(show(4_500, "usd"), "45.00 USD");
        assert_eq!(show(4_505, "eur"), "45.05 EUR");
        assert_eq!(show(500, "jpy"), "500 JPY");
        assert_eq!(show(1_001, "kwd"), "1.001 KWD");
    }
}
