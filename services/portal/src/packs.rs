//! Packs as customers compare them.

use app::catalogue::Version;
use app::{App, Work, prices};
use catalog::{Pack, Ratio};
use kernel::{Amount, Credits, Driver, Money};
use site::{Failure, credits, date, money};

pub struct PackCard {
    pub id: String,
    pub name: String,
    pub price: String,
    pub per_credit: String,
    pub saving: Option<String>,
    pub examples: Option<String>,
    pub expiry: String,
    /// Makes a form that is sent twice one purchase.
    pub once: String,
}

/// One picture of a model, as a measure of what a pack is good for.
pub struct Example {
    pub name: String,
    pub credits: Credits,
}

/// Examples that a card names.
const EXAMPLES: usize = 2;

pub async fn cards(app: &App, version: &Version) -> Result<Vec<PackCard>, Failure> {
    let examples = examples(app, version).await?;
    let packs = version.catalog.packs();
    let now = app.now();
    let expiry = |pack: &Pack| {
        let until = app::grants::expiry_after(now, pack.expires_after_months);
        format!("Valid for {} months: until {} if bought now", pack.expires_after_months, date(until))
    };
    let card = |pack: &Pack| PackCard {
        id: pack.id.clone(),
        name: pack.name.clone(),
        price: money(pack.price),
        per_credit: per_credit(pack.price, pack.credits),
        saving: saving(pack, packs),
        examples: about(pack.credits, &examples),
        expiry: expiry(pack),
        once: kernel::new_uuid().to_string(),
    };
    Ok(packs.iter().map(card).collect())
}

/// The cheapest models that are paid by the picture.
async fn examples(app: &App, version: &Version) -> Result<Vec<Example>, Failure> {
    let mut examples = Vec::new();
    for feature in version.catalog.features() {
        for model in feature.models.values() {
            if model.rates.first().is_none_or(|rate| rate.driver != Driver::Images) {
                continue;
            }
            let one = Amount::whole(1).map(|one| (Driver::Images, one));
            let work = Work {
                feature: feature.id.clone(),
                model: model.id.clone(),
                quantities: one.into_iter().collect(),
                options: catalog::Options::default(),
            };
            if let Ok(priced) = prices::calculate(app, &work).await {
                examples.push(Example { name: model.name.clone(), credits: priced.price.credits });
            }
        }
    }
    examples.retain(|example| example.credits.is_positive());
    examples.sort_by_key(|example| example.credits);
    examples.truncate(EXAMPLES);
    Ok(examples)
}

/// `About 100 SDXL images or 50 DALL·E 3 images`
fn about(pack: Credits, examples: &[Example]) -> Option<String> {
    let count = |example: &Example| {
        let images = pack.micros() / example.credits.micros();
        format!("{} {}", credits(Credits::from_micros(images * kernel::MICROS_PER_CREDIT)), example.name)
    };
    let counts: Vec<String> = examples.iter().map(count).collect();
    (!counts.is_empty()).then(|| format!("About {} images", counts.join(" or ")))
}

/// `$0.09 per credit`, with as many digits as it takes, at most six.
pub fn per_credit(price: Money, pack: Credits) -> String {
    // The price of a million credits in minor units has six digits more than that of one.
    let each = Ratio::new(i128::from(price.amount) * 1_000_000, i128::from(pack.micros()));
    let Some(each) = each else { return String::new() };
    let whole = money(Money { amount: 0, currency: price.currency });
    let digits = whole.split_once('.').map_or(0, |(_, part)| part.len());
    let hundredths = [1, 10, 100, 1_000].get(digits).copied().unwrap_or(100);
    let major = Ratio::new(1, hundredths).and_then(|unit| each.checked_mul(unit));
    let text = major.map(|major| major.decimal(6)).unwrap_or_default();
    let (left, right) = text.split_once('.').unwrap_or((&text, ""));
    let sign = whole.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    format!("{sign}{left}{}{right:0<digits$} per credit", if digits > 0 { "." } else { "" })
}

/// Against the dearest pack: `Save 10 %`, rounded down.
fn saving(pack: &Pack, packs: &[Pack]) -> Option<String> {
    let each = |pack: &Pack, other: &Pack| i128::from(pack.price.amount) * i128::from(other.credits.micros());
    let dearest = packs.iter().reduce(|a, b| if each(b, a) > each(a, b) { b } else { a })?;
    let (ours, theirs) = (each(pack, dearest), each(dearest, pack));
    let percent = (theirs - ours).checked_mul(100)?.checked_div(theirs)?;
    (percent > 0).then(|| format!("Save {percent} %"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(credits: i64, amount: i64, currency: &str) -> Pack {
        Pack {
            id: "p".to_owned(),
            name: "p".to_owned(),
            credits: Credits::whole(credits),
            price: Money { amount, currency: currency.parse().unwrap() },
            expires_after_months: 12,
        }
    }

    #[test]
    fn a_price_per_credit_has_the_digits_it_takes() {
        let shown = |credits, amount, currency| {
            let pack = pack(credits, amount, currency);
            per_credit(pack.price, pack.credits)
        };
        assert_eq!(shown(100, 1000, "usd"), "$0.10 per credit");
        assert_eq!(shown(500, 4500, "usd"), "$0.09 per credit");
        assert_eq!(shown(1000, 7550, "usd"), "$0.0755 per credit");
        assert_eq!(shown(100, 1000, "jpy"), "¥10 per credit");
        assert_eq!(shown(10, 10_000, "chf"), "CHF 10.00 per credit");
    }

    #[test]
    fn savings_are_against_the_dearest_pack() {
        let packs = [pack(100, 1000, "usd"), pack(500, 4500, "usd"), pack(1000, 8000, "usd")];
        let savings: Vec<_> = packs.iter().map(|pack| saving(pack, &packs)).collect();
        assert_eq!(savings, [None, Some("Save 10 %".to_owned()), Some("Save 20 %".to_owned())]);
        let examples = [Example { name: "SDXL".to_owned(), credits: Credits::whole(5) }];
        assert_eq!(about(Credits::whole(100), &examples).as_deref(), Some("About 20 SDXL images"));
    }
}
