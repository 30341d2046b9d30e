//! `/prices/{feature}/{model}`: what a piece of work would cost now, by the engine that charges.

use std::collections::BTreeMap;

use app::{AppError, FieldError, Priced, Work, prices};
use askama::Template;
use axum::extract::{Path, Query, State};
use catalog::{Feature, Model};
use kernel::{Driver, Quantities};
use site::{Failure, Shell, Site, Visitor, credits, render};

use crate::Answer;
use crate::frame::public_shell;
use crate::prices::{find, words};
use crate::receipt::{Line, line};

/// Fields of a form; more are not read.
const FIELDS_MAX: usize = 40;

#[derive(Template)]
#[template(path = "portal/calculator.html")]
pub struct CalculatorPage {
    pub shell: Shell,
    pub path: String,
    pub fields: Vec<Field>,
    pub errors: Vec<FieldError>,
    pub result: Option<Calculated>,
}

pub struct Field {
    pub name: String,
    pub label: String,
    pub value: String,
    /// Empty for a number.
    pub choices: Vec<Choice>,
}

pub struct Choice {
    pub value: String,
    pub label: String,
    pub is_chosen: bool,
}

pub struct Calculated {
    pub credits: String,
    pub formula: String,
    pub lines: Vec<Line>,
    pub note: String,
}

type Said = BTreeMap<String, String>;

pub async fn page(
    State(site): State<Site>,
    visitor: Visitor,
    Path((feature, model)): Path<(String, String)>,
    Query(said): Query<Said>,
) -> Answer {
    let version = prices::in_force(site.app()).await?.ok_or(Failure::NotFound)?;
    let (feature, model) = find(&version, &feature, &model)?;
    let title = format!("{}, {}", model.name, feature.name);
    let shell = public_shell(&visitor, &title, "/prices").await?;
    let (result, errors) = match calculate(&site, feature, model, &said).await {
        Ok(priced) => (Some(calculated(&priced)), Vec::new()),
        // An empty form has not asked for anything yet.
        Err(AppError::Invalid { errors }) => (None, if said.is_empty() { Vec::new() } else { errors }),
        Err(error) => return Err(error.into()),
    };
    let page = CalculatorPage { errors, result, ..view(shell, feature, model, &said) };
    Ok(visitor.page(render(&page)?))
}

async fn calculate(site: &Site, feature: &Feature, model: &Model, said: &Said) -> Result<Priced, AppError> {
    let work = Work {
        feature: feature.id.clone(),
        model: model.id.clone(),
        quantities: quantities(model, said)?,
        options: options(model, said),
    };
    let priced = prices::calculate(site.app(), &work).await;
    priced.map_err(|error| match error {
        // The form's fields are named by the driver alone.
        AppError::Invalid { errors } => AppError::Invalid { errors: errors.into_iter().map(shown).collect() },
        error => error,
    })
}

fn shown(error: FieldError) -> FieldError {
    let field = error.field.rsplit('.').next().unwrap_or_default().to_owned();
    FieldError { field, ..error }
}

pub fn view(shell: Shell, feature: &Feature, model: &Model, said: &Said) -> CalculatorPage {
    let numbers = drivers(model).into_iter().map(|driver| number(model, driver, said));
    let choices = model.options.iter().map(|(name, table)| choice(name, table.keys(), said));
    CalculatorPage {
        shell,
        path: format!("/prices/{}/{}", feature.id, model.id),
        fields: numbers.chain(choices).take(FIELDS_MAX).collect(),
        errors: Vec::new(),
        result: None,
    }
}

fn number(model: &Model, driver: Driver, said: &Said) -> Field {
    let words = words(driver);
    let default = model.defaults.get(driver).map(|amount| amount.to_string()).unwrap_or_default();
    Field {
        name: driver.name().to_owned(),
        label: words[..1].to_uppercase() + &words[1..],
        value: said.get(driver.name()).cloned().unwrap_or(default),
        choices: Vec::new(),
    }
}

fn choice<'a>(name: &str, values: impl Iterator<Item = &'a String>, said: &Said) -> Field {
    let chosen = said.get(name).cloned().unwrap_or_default();
    let none = Choice { value: String::new(), label: "Not said".to_owned(), is_chosen: chosen.is_empty() };
    let values = values.map(|v| Choice { value: v.clone(), label: v.clone(), is_chosen: *v == chosen });
    Field {
        name: name.to_owned(),
        label: name[..1].to_uppercase() + &name[1..],
        choices: std::iter::once(none).chain(values).collect(),
        value: chosen,
    }
}

/// Each once, in the order of the card.
fn drivers(model: &Model) -> Vec<Driver> {
    let mut drivers = Vec::new();
    for driver in model.drivers() {
        if !drivers.contains(&driver) {
            drivers.push(driver);
        }
    }
    drivers
}

fn quantities(model: &Model, said: &Said) -> Result<Quantities, AppError> {
    let mut quantities = Quantities::default();
    let mut errors = Vec::new();
    for driver in drivers(model) {
        let text = said.get(driver.name()).map(|text| text.trim()).filter(|text| !text.is_empty());
        match text.map(str::parse) {
            Some(Ok(amount)) => quantities.set(driver, amount),
            Some(Err(error)) => errors.push(FieldError::new(driver.name(), format!("{error}"))),
            None => {}
        }
    }
    if errors.is_empty() { Ok(quantities) } else { Err(AppError::Invalid { errors }) }
}

fn options(model: &Model, said: &Said) -> catalog::Options {
    let mut options = catalog::Options::default();
    for name in model.options.keys() {
        if let Some(value) = said.get(*name).filter(|value| !value.is_empty()) {
            options.set(name, value.clone());
        }
    }
    options
}

pub fn calculated(priced: &Priced) -> Calculated {
    Calculated {
        credits: credits(priced.price.credits),
        formula: priced.price.formula.clone(),
        lines: priced.price.breakdown.iter().map(line).collect(),
        note: format!(
            "Rate card {}, version {}. The same rule charges the job.",
            priced.rate_card.name, priced.rate_card.version
        ),
    }
}
