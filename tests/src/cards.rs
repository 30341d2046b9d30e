//! Rate cards of tests: what a rule is about, and nothing else.

/// One credit per second under each overage policy; an overdraft is up to 5 credits.
pub const OVERAGE: &str = r#"
[rate_card]
name = "overage"

[features."work.absorb"]
name = "Absorbed"
overage = "absorb"
[features."work.absorb".models.m]
rates = [{ driver = "seconds", credits = 1 }]

[features."work.overdraft"]
name = "Owed"
overage = { overdraft = 5 }
[features."work.overdraft".models.m]
rates = [{ driver = "seconds", credits = 1 }]

[features."work.refuse"]
name = "Refused"
overage = "refuse"
[features."work.refuse".models.m]
rates = [{ driver = "seconds", credits = 1 }]

[plans.payg]
name = "Pay as you go"
entitles = ["*"]
"#;

/// The feature `work.do` with the model `m`, which is described by `model`.
pub fn card(model: &str) -> String {
    card_rounded_to("0.000001", model)
}

/// As [`card`], with totals rounded to `step`.
pub fn card_rounded_to(step: &str, model: &str) -> String {
    card_with_plan(step, model, r#"entitles = ["*"]"#)
}

/// As [`card_rounded_to`], with the lines of the plan that everybody has.
pub fn card_with_plan(step: &str, model: &str, plan: &str) -> String {
    format!(
        "[rate_card]\nname = \"test\"\nround_to = \"{step}\"\n\n\
         [features.\"work.do\"]\nname = \"Work\"\n[features.\"work.do\".models.m]\n{model}\n\n\
         [plans.payg]\nname = \"Pay as you go\"\n{plan}\n"
    )
}

/// `work.do` for this many credits per second.
pub fn per_second(credits: u32) -> String {
    card(&format!("rates = [{{ driver = \"seconds\", credits = {credits} }}]"))
}
