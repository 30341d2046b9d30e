//! From a piece of work to its frozen price, and to what the plan says about it.

use catalog::{Ask, Complexity, Options, Overage, Plan, Price, PriceError, complexity};
use kernel::{Amount, Driver, Quantities, Timestamp};
use ledger::{Gate, WhenShort};
use serde::{Deserialize, Serialize};

use crate::catalogue::Version;
use crate::text::{Checks, NAME_MAX_CHARS, SENTENCE_MAX_CHARS};
use crate::{App, AppError, RateCardRef, catalogue};

/// What is to be done or was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    pub feature: String,
    pub model: String,
    pub quantities: Quantities,
    pub options: Options,
}

/// Where a call came from; of the prompt only its complexity is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub device: Option<String>,
    pub prompt: Option<String>,
}

/// A price with everything that made it, so that it can be made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Priced {
    pub rate_card: RateCardRef,
    pub plan: String,
    /// Decides the time window.
    pub priced_at: Timestamp,
    pub feature: String,
    pub model: String,
    pub options: Options,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complexity: Option<Complexity>,
    pub price: Price,
}

impl Context {
    pub(crate) fn check(&self, checks: &mut Checks) {
        checks.optional_text("context.ip", self.ip.as_ref(), NAME_MAX_CHARS);
        checks.optional_text("context.user_agent", self.user_agent.as_ref(), SENTENCE_MAX_CHARS);
        checks.optional_text("context.device", self.device.as_ref(), NAME_MAX_CHARS);
    }

    fn complexity(&self) -> Option<Complexity> {
        self.prompt.as_deref().map(complexity)
    }
}

/// The price by the card that was in force at `at`, with the version that made it.
pub(crate) async fn price_at(
    app: &App,
    work: &Work,
    context: &Context,
    at: Timestamp,
) -> Result<(std::sync::Arc<Version>, Priced), AppError> {
    let version = catalogue::at(app, at).await?.ok_or_else(no_rate_card)?;
    let priced = price(&version, work, context, at).map_err(invalid)?;
    Ok((version, priced))
}

pub(crate) fn price(
    version: &Version,
    work: &Work,
    context: &Context,
    at: Timestamp,
) -> Result<Priced, PriceError> {
    let complexity = context.complexity();
    let ask = Ask {
        feature: &work.feature,
        model: &work.model,
        quantities: &work.quantities,
        options: &work.options,
        plan: Plan::DEFAULT,
        at,
        prompt_complexity: complexity,
    };
    let price = catalog::price(&version.catalog, &ask)?;
    Ok(Priced {
        rate_card: version.reference(),
        plan: Plan::DEFAULT.to_owned(),
        priced_at: at,
        feature: work.feature.clone(),
        model: work.model.clone(),
        options: work.options.clone(),
        complexity,
        price,
    })
}

/// The price of other quantities under everything that `frozen` froze; `version` is its card.
pub(crate) fn reprice(
    version: &Version,
    frozen: &Priced,
    quantities: &Quantities,
) -> Result<Priced, PriceError> {
    let price = catalog::price(&version.catalog, &frozen.ask(quantities))?;
    Ok(Priced { price, ..frozen.clone() })
}

impl Priced {
    pub(crate) fn ask<'a>(&'a self, quantities: &'a Quantities) -> Ask<'a> {
        Ask {
            feature: &self.feature,
            model: &self.model,
            quantities,
            options: &self.options,
            plan: &self.plan,
            at: self.priced_at,
            prompt_complexity: self.complexity,
        }
    }
}

pub(crate) fn invalid(error: PriceError) -> AppError {
    AppError::invalid(error.field(), error.to_string())
}

pub(crate) fn no_rate_card() -> AppError {
    let detail = "there is no published rate card; publish one first".to_owned();
    AppError::Conflict { code: "no_rate_card", detail }
}

/// What the plan of today says about work (`None`: plain credits) that begins now.
pub(crate) async fn gate(app: &App, work: Option<(&str, &str)>) -> Result<Gate, AppError> {
    let current = catalogue::current(app).await?;
    let plan = current.as_ref().and_then(|version| version.catalog.plan(Plan::DEFAULT));
    let Some(plan) = plan else { return Ok(Gate::default()) };
    Ok(Gate {
        is_done: false,
        valid_until: None,
        is_denied: work.is_some_and(|(feature, model)| !plan.entitles(feature, model)),
        calls_per_minute: plan.calls_per_minute,
        max_open_holds: plan.max_open_holds,
    })
}

/// The feature's policy for finished work that the wallet cannot pay; `refused` is what "refuse" means
/// for the command at hand.
pub(crate) fn when_short(version: &Version, feature: &str, refused: WhenShort) -> WhenShort {
    overage(version.catalog.feature(feature).map(|f| f.overage).unwrap_or_default(), refused)
}

pub(crate) fn overage(policy: Overage, refused: WhenShort) -> WhenShort {
    match policy {
        Overage::Absorb => WhenShort::Absorb,
        Overage::Overdraft(limit) => WhenShort::Overdraft { limit },
        Overage::Refuse => refused,
    }
}

/// Quantities of one hold so far and one more capture of it. Amounts of work add up; what describes the
/// work (a width, a number of steps) must stay as it was, since one price is made of all captures.
pub(crate) fn accumulate(so_far: &Quantities, more: &Quantities) -> Result<Quantities, AppError> {
    let mut sum = so_far.clone();
    for (driver, amount) in more.iter() {
        let field = || format!("quantities.{driver}");
        let total = match so_far.get(driver) {
            None => amount,
            Some(before) if !adds_up(driver) => same(before, amount)
                .ok_or_else(|| AppError::invalid(field(), "differs from an earlier capture of this hold"))?,
            Some(before) => before
                .checked_add(amount)
                .ok_or_else(|| AppError::invalid(field(), "is too large together with earlier captures"))?,
        };
        sum.set(driver, total);
    }
    Ok(sum)
}

/// Fills in what describes the work and was not said, from the estimate that was authorized.
pub(crate) fn describe(said: &Quantities, estimate: &Quantities) -> Quantities {
    let missing = estimate.iter().filter(|(driver, _)| !adds_up(*driver) && said.get(*driver).is_none());
    missing.chain(said.iter()).collect()
}

fn same(before: Amount, now: Amount) -> Option<Amount> {
    (before == now).then_some(now)
}

fn adds_up(driver: Driver) -> bool {
    !matches!(
        driver,
        Driver::Width
            | Driver::Height
            | Driver::Steps
            | Driver::Guidance
            | Driver::Fps
            | Driver::Dimensions
            | Driver::BatchSize
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantities(pairs: &[(Driver, u64)]) -> Quantities {
        pairs.iter().map(|(driver, n)| (*driver, Amount::whole(*n).unwrap())).collect()
    }

    #[test]
    fn captures_add_up_work_and_keep_its_shape() {
        let first = quantities(&[(Driver::Images, 1), (Driver::Width, 512)]);
        let second = quantities(&[(Driver::Images, 2), (Driver::Width, 512), (Driver::Steps, 30)]);
        let sum = accumulate(&first, &second).unwrap();
        assert_eq!(sum, quantities(&[(Driver::Images, 3), (Driver::Width, 512), (Driver::Steps, 30)]));
    }

    #[test]
    fn a_capture_that_leaves_the_shape_out_has_that_of_the_estimate() {
        let estimate = quantities(&[(Driver::Images, 9), (Driver::Width, 512), (Driver::Height, 512)]);
        let said = quantities(&[(Driver::Images, 2), (Driver::Height, 1024)]);
        let all = quantities(&[(Driver::Images, 2), (Driver::Width, 512), (Driver::Height, 1024)]);
        assert_eq!(describe(&said, &estimate), all);
    }

    #[test]
    fn a_capture_of_another_shape_is_refused_with_its_field() {
        let wide = quantities(&[(Driver::Width, 1024)]);
        let error = accumulate(&quantities(&[(Driver::Width, 512)]), &wide).unwrap_err();
        let AppError::Invalid { errors } = error else { panic!("invalid") };
        assert_eq!(errors[0].field, "quantities.width");
    }
}
