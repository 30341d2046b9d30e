//! Thirty days of use before the first start: five customers, through the same use cases as everybody's
//! calls, under a clock that is moved from act to act. The gateway is the sandbox, over HTTP, with its
//! pages, cards and webhooks.

use std::collections::BTreeMap;

use app::accounts::{self, Credentials, Opening, Role, Session, SignUp};
use app::audit::Act as Audited;
use app::corrections::{self, Gift};
use app::customers::{Customer, CustomerKind, NewCustomer};
use app::grants::NewGrant;
use app::holds::{Basis, Capture, Charge, NewHold};
use app::payments::{Buying, NewCheckout, NewRefund};
use app::usage::NewUsage;
use app::{App, Context, CustomerRef, Keyed, Principal};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use futures::future::try_join_all;
use kernel::{
    CheckoutId, Clock, Credits, CustomerId, HoldId, IdempotencyKey, ReceiptId, Timestamp, new_uuid,
};
use mail::Transport;
use sandbox::Sandbox;
use serde::de::DeserializeOwned;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tower::ServiceExt as _;

use super::plan::{self, Act, Asked, Step, Who};
use crate::commands::chain;

/// Rounds of the worker after an act; more means that work makes work for ever.
const ROUNDS_MAX: usize = 100;

/// Everything that the history is written with.
pub struct Stage {
    /// On `clock`, with the gateway that is `sandbox`.
    pub app: App,
    pub clock: Clock,
    pub sandbox: Sandbox,
    /// The sandbox's events are signed with it.
    pub webhook_secret: String,
    /// Never a mail server: the demo's customers have no mailbox.
    pub mails: Transport,
    pub public_url: String,
    /// Of those who may sign in.
    pub password: String,
}

struct Director {
    stage: Stage,
    system: Principal,
    operator: Session,
    people: BTreeMap<Who, (CustomerId, String)>,
    /// What a job has become so far.
    jobs: Mutex<BTreeMap<String, Job>>,
    bought: Mutex<BTreeMap<Who, CheckoutId>>,
}

#[derive(Clone, Copy, Default)]
struct Job {
    hold: Option<HoldId>,
    receipt: Option<ReceiptId>,
}

/// Writes the history that ends at `now`. Nothing when another process has begun with it.
pub async fn write(stage: Stage, now: Timestamp) -> Result<(), String> {
    app::demo::catalogue(&stage.app).await.map_err(|e| chain(&e))?;
    let system = Principal::system();
    let Some(studio) = organisation(&stage.app, &system, NORTHLIGHT).await? else { return Ok(()) };
    let operator = operator(&stage).await?;
    let mut people = BTreeMap::from([(Who::Northlight, studio)]);
    for (who, of) in [(Who::Tallow, TALLOW), (Who::Kestrel, KESTREL)] {
        people.extend(organisation(&stage.app, &system, of).await?.map(|made| (who, made)));
    }
    for (who, name, email) in
        [(Who::Wren, "Wren Okafor", "wren@example.com"), (Who::Priya, "Priya Raman", "priya@example.com")]
    {
        people.insert(who, person(&stage.app, name, email).await?);
    }
    let (jobs, bought) = (Mutex::default(), Mutex::default());
    let director = Director { stage, system, operator, people, jobs, bought };
    director.play(&plan::plan(now)).await?;
    let app = &director.stage.app;
    app::verification::run(app, &director.system).await.map_err(|e| chain(&e))?;
    accounts::sign_out(app, &director.operator).await.map_err(|e| chain(&e))
}

/// The external id of the customer whose pages are shown first.
pub const STUDIO: &str = "northlight";
const NORTHLIGHT: [&str; 3] = [STUDIO, "Northlight Studio", super::STUDIO];
const TALLOW: [&str; 3] = ["tallow-legal", "Tallow Legal", "office@tallow.example.com"];
const KESTREL: [&str; 3] = ["kestrel", "Kestrel Robotics", "accounts@kestrel.example.com"];

/// `None` when somebody else has made it just now.
async fn organisation(
    app: &App,
    system: &Principal,
    [external_id, name, email]: [&str; 3],
) -> Result<Option<(CustomerId, String)>, String> {
    let new = NewCustomer {
        external_id: external_id.to_owned(),
        kind: CustomerKind::Organisation,
        name: name.to_owned(),
        email: email.to_owned(),
        currency: None,
        timezone: None,
        from: None,
    };
    let made = app::customers::create(app, system, new, Some(&keyed(external_id)?)).await;
    let made = made.map_err(|e| chain(&e))?;
    Ok((!made.replayed).then(|| named(made.value)))
}

/// Somebody who signed up by themselves and followed the link.
async fn person(app: &App, name: &str, email: &str) -> Result<(CustomerId, String), String> {
    let password = accounts::new_password().map_err(|e| chain(&e))?;
    let SignUp::Mailed { customer, link } =
        accounts::sign_up(app, email, None, None).await.map_err(|e| chain(&e))?
    else {
        return Err("the demo's customers sign up once".to_owned());
    };
    let (_, token) = link.split_once("token=").ok_or("a link without a token")?;
    let with = Opening {
        token: token.to_owned(),
        name: name.to_owned(),
        password,
        user_agent: String::new(),
        from: None,
        earlier: None,
    };
    accounts::open_account(app, with).await.map_err(|e| chain(&e))?;
    let of = app::customers::get(app, &Principal::system(), &CustomerRef::Id(customer)).await;
    of.map(named).map_err(|e| chain(&e))
}

fn named(customer: Customer) -> (CustomerId, String) {
    (customer.id, customer.external_id)
}

/// The operator, signed in.
async fn operator(stage: &Stage) -> Result<Session, String> {
    let (app, email) = (&stage.app, super::OPERATOR);
    super::ensure(app, email, "Demo Operator", &stage.password, None).await?;
    let with = Credentials {
        email: email.to_owned(),
        password: stage.password.clone(),
        role: Role::Operator,
        user_agent: String::new(),
        network: None,
        earlier: None,
    };
    Ok(accounts::sign_in(app, with).await.map_err(|e| chain(&e))?.session)
}

impl Director {
    /// What happens at one instant is written together.
    async fn play(&self, steps: &[Step]) -> Result<(), String> {
        let mut n = 0;
        for moment in steps.chunk_by(|a, b| a.at == b.at) {
            let Some(first) = moment.first() else { continue };
            let clock = &self.stage.clock;
            clock.advance_seconds((first.at.unix_seconds() - clock.now().unix_seconds()).max(0));
            let acts = moment.iter().enumerate();
            try_join_all(acts.map(|(i, step)| self.act(&step.act, n + i))).await?;
            n += moment.len();
        }
        Ok(())
    }

    async fn act(&self, act: &Act, n: usize) -> Result<(), String> {
        let key = keyed(&format!("act-{n}"))?;
        match act {
            Act::Hold { who, job, work, ttl_seconds } => {
                self.hold(*who, job, (work, *ttl_seconds), &key).await
            }
            Act::Capture { job, quantities, is_final } => {
                let charge = Charge::Quantities(plan::amounts(quantities)?.into_iter().collect());
                let capture =
                    Capture { charge, is_final: *is_final, vendor_transaction: Some(format!("gen-{n:04}")) };
                let hold = self.job(job).await.hold.ok_or("a capture without its hold")?;
                let done = app::holds::capture(self.app(), &self.system, hold, capture, &key).await;
                done.map(|_| ()).map_err(|e| chain(&e))
            }
            Act::Void { job } => {
                let hold = self.job(job).await.hold.ok_or("a void without its hold")?;
                let done = app::holds::void(self.app(), &self.system, hold, &key).await;
                done.map(|_| ()).map_err(|e| chain(&e))
            }
            Act::Use { who, job, work } => self.use_once(*who, job, work, &key).await,
            Act::Report { who, model, input_tokens, output_tokens } => {
                let event = plan::report(
                    &self.of(*who)?.1,
                    &format!("chatcmpl-{n:04}"),
                    (model, *input_tokens, *output_tokens),
                );
                let body = event.to_string();
                app::events::ingest(self.app(), &self.system, body.as_bytes()).await.map_err(|e| chain(&e))
            }
            Act::Buy { who, buying, card } => self.buy(*who, buying.clone(), card, &key).await,
            Act::Give { who, credits, kind, until, reason } => {
                self.give(*who, (*credits, kind, *until), reason, &key).await
            }
            Act::Goodwill { who, credits, reason } => {
                let kind = parsed("promo")?;
                let gift = Gift { credits: Credits::whole(*credits), kind, expires_at: None };
                let (customer, act) = (self.of(*who)?.0, audited(reason));
                let done = corrections::grant(self.app(), &self.operator, customer, &act, gift).await;
                done.map(|_| ()).map_err(|e| chain(&e))
            }
            Act::Undo { job, reason } => {
                let receipt = self.job(job).await.receipt.ok_or("nothing to undo")?;
                let done = corrections::reverse(self.app(), &self.operator, receipt, &audited(reason)).await;
                done.map(|_| ()).map_err(|e| chain(&e))
            }
            Act::Refund { who, reason } => self.refund(*who, reason, &key).await,
            Act::StrayWebhook => self.stray_webhook(n).await,
            Act::Night => self.night().await,
        }
    }

    async fn hold(
        &self,
        who: Who,
        job: &str,
        (work, ttl_seconds): (&Asked, Option<i64>),
        key: &Keyed,
    ) -> Result<(), String> {
        let new = NewHold {
            customer: CustomerRef::Id(self.of(who)?.0),
            basis: Basis::Work(work.work()?),
            ttl_seconds,
            job: Some(job.to_owned()),
            subject: None,
            context: Context::default(),
        };
        let made = app::holds::authorize(self.app(), &self.system, new, key).await.map_err(|e| chain(&e))?;
        self.jobs.lock().await.entry(job.to_owned()).or_default().hold = Some(made.value.id);
        Ok(())
    }

    async fn use_once(&self, who: Who, job: &str, work: &Asked, key: &Keyed) -> Result<(), String> {
        let new = NewUsage {
            customer: CustomerRef::Id(self.of(who)?.0),
            work: work.work()?,
            context: Context::default(),
            job: Some(job.to_owned()),
            subject: None,
            vendor_transaction: None,
            occurred_at: None,
        };
        let made = app::usage::report(self.app(), &self.system, new, key).await.map_err(|e| chain(&e))?;
        self.jobs.lock().await.entry(job.to_owned()).or_default().receipt = Some(made.value.id);
        Ok(())
    }

    async fn give(
        &self,
        who: Who,
        (credits, kind, expires_at): (i64, &str, Option<Timestamp>),
        reason: &str,
        key: &Keyed,
    ) -> Result<(), String> {
        let new = NewGrant {
            customer: CustomerRef::Id(self.of(who)?.0),
            credits: Credits::whole(credits),
            kind: parsed(kind)?,
            expires_at,
            priority: None,
            reason: Some(reason.to_owned()),
            paid: None,
        };
        let done = app::grants::create(self.app(), &self.system, new, key).await;
        done.map(|_| ()).map_err(|e| chain(&e))
    }

    /// From the pack to the credits: checkout, the card on the hosted page, the webhook.
    async fn buy(&self, who: Who, buying: Buying, card: &str, key: &Keyed) -> Result<(), String> {
        let page = |path: &str| format!("{}/{path}", self.stage.public_url);
        let customer = self.of(who)?.0;
        let new = NewCheckout {
            customer: CustomerRef::Id(customer),
            buying,
            success_url: page("activity"),
            cancel_url: page("buy"),
        };
        let made = app::payments::create_own(self.app(), customer, new, key).await.map_err(|e| chain(&e))?;
        let url = made.value.url.unwrap_or_default();
        let (_, hosted) = url.split_once(sandbox::MOUNT).ok_or("a checkout without its page")?;
        let form = format!("number={card}&expiry=12%2F34&cvc=123&name={}", who.holder());
        let request = Request::post(hosted)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form))
            .map_err(|e| e.to_string())?;
        let answer = sandbox::router(self.stage.sandbox.clone()).oneshot(request).await;
        let status = answer.map_err(|e| e.to_string())?.status();
        if status != StatusCode::SEE_OTHER {
            return Err(format!("the hosted page answered {status}"));
        }
        self.bought.lock().await.insert(who, made.value.id);
        self.work_off().await
    }

    async fn refund(&self, who: Who, reason: &str, key: &Keyed) -> Result<(), String> {
        let checkout = self.bought.lock().await.get(&who).copied().ok_or("nothing to refund")?;
        let new = NewRefund { checkout, amount_minor: None, reason: reason.to_owned() };
        let asked = app::payments::refund(self.app(), &self.system, new, key).await;
        asked.map_err(|e| chain(&e))?;
        self.work_off().await
    }

    /// Signed as every event is, about a checkout of another installation: it ends as a dead letter.
    async fn stray_webhook(&self, n: usize) -> Result<(), String> {
        let now = self.stage.clock.now();
        let event = json!({
            "id": format!("evt_stray_{n}"), "object": "event", "type": "checkout.session.completed",
            "api_version": sandbox::API_VERSION, "created": now.unix_seconds(), "livemode": false,
            "data": { "object": { "id": "cs_test_of_another_installation", "object": "checkout.session" } },
        });
        let payload = format!("{event:#}").into_bytes();
        let signature = sandbox::sign(&payload, &self.stage.webhook_secret, now);
        app::payments::receive(self.app(), &payload, &signature).await.map_err(|e| chain(&e))?;
        self.work_off().await
    }

    async fn night(&self) -> Result<(), String> {
        let app = self.app();
        app::work::settle_idle_wallets(app).await.map_err(|e| chain(&e))?;
        app::notices::scan(app).await.map_err(|e| chain(&e))?;
        app::verification::run(app, &self.system).await.map_err(|e| chain(&e))?;
        self.work_off().await
    }

    /// Deliveries, events, credits and mails, until nothing is due.
    async fn work_off(&self) -> Result<(), String> {
        let app = self.app();
        for _ in 0..ROUNDS_MAX {
            let delivered = self.stage.sandbox.deliver_due().await.map_err(|e| chain(&e))?;
            let events = app::work::inbox_round(app).await.map_err(|e| chain(&e))?;
            let work = app::work::outbox_round(app).await.map_err(|e| chain(&e))?;
            let mails = app::mails::send_due(app, &self.stage.mails).await.map_err(|e| chain(&e))?;
            if delivered + events + work == 0 && mails == app::mails::Run::default() {
                return Ok(());
            }
        }
        Err("the demo's work has no end".to_owned())
    }

    fn app(&self) -> &App {
        &self.stage.app
    }

    fn of(&self, who: Who) -> Result<&(CustomerId, String), String> {
        self.people.get(&who).ok_or_else(|| format!("{who:?} is not there"))
    }

    async fn job(&self, job: &str) -> Job {
        self.jobs.lock().await.get(job).copied().unwrap_or_default()
    }
}

impl Who {
    /// The name on the card.
    fn holder(self) -> &'static str {
        match self {
            Who::Northlight => "Mira+Lindqvist",
            Who::Tallow => "Joan+Tallow",
            Who::Kestrel => "Idris+Vance",
            Who::Wren => "Wren+Okafor",
            Who::Priya => "Priya+Raman",
        }
    }
}

fn audited(reason: &str) -> Audited {
    Audited { id: new_uuid(), reason: reason.to_owned() }
}

/// A kind of grant by its name.
fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(json!(text)).map_err(|e| e.to_string())
}

fn keyed(name: &str) -> Result<Keyed, String> {
    let name = format!("demo-history-{name}");
    let hash = Sha256::digest(name.as_bytes()).into();
    Ok(Keyed { key: IdempotencyKey::new(name).map_err(|e| e.to_string())?, hash })
}
