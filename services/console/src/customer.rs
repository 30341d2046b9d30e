//! One customer: balance, acts, lots, holds, statement, and what operators did.

use app::audit::AuditRow;
use app::customers::Customer;
use app::holds::Hold;
use app::payments::{self, Checkout};
use app::statements::{self, Filter, Period, Statement};
use app::wallets::{LotView, WalletView};
use app::{App, CustomerRef, Principal, audit, customers, holds, wallets};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use kernel::{Credits, CustomerId, Timestamp, new_uuid};
use ledger::EntryKind;
use site::{Failure, Member, Shell, credits, instant, money, render, signed_credits};

use crate::acts::{AdjustFields, GrantFields};
use crate::list::ListQuery;
use crate::purchases::{Purchase, purchase};
use crate::risk::{self, Panel, Standing};
use crate::{Console, by, shell};

/// Open holds of one page.
const HOLDS: usize = 50;

#[derive(Template)]
#[template(path = "console/customer.html")]
pub struct CustomerPage {
    pub shell: Shell,
    pub path: String,
    pub facts: Vec<(&'static str, String)>,
    pub balance: Vec<(&'static str, String)>,
    pub grant: GrantFields,
    pub adjust: AdjustFields,
    pub risk: Panel,
    pub lots: Vec<Lot>,
    pub holds: Vec<OpenHold>,
    pub purchases: Vec<Purchase>,
    pub identity: Vec<(&'static str, String)>,
    /// What is looked for in the statement; empty: nothing.
    pub query: String,
    pub rows: Vec<Row>,
    pub next: Option<String>,
    pub audit: Vec<AuditLine>,
}

pub struct Lot {
    pub id: String,
    pub kind: String,
    pub available: String,
    pub held: String,
    pub granted: String,
    pub paid: String,
    pub expires: String,
}

pub struct OpenHold {
    pub id: String,
    pub job: String,
    pub what: String,
    pub remaining: String,
    pub since: String,
    pub until: String,
}

pub struct Row {
    pub at: String,
    pub kind: String,
    pub what: String,
    pub credits: String,
    pub balance: String,
    /// Of charges that can still be undone.
    pub reversal_path: Option<String>,
}

pub struct AuditLine {
    pub at: String,
    pub actor: String,
    pub action: String,
    pub reason: String,
    pub state: String,
}

/// What a page of a customer is made from.
pub struct Dossier {
    pub customer: Customer,
    pub wallet: WalletView,
    pub standing: Standing,
    pub holds: Vec<Hold>,
    pub purchases: Vec<Checkout>,
    pub statement: Statement,
    /// What was looked for in the statement, whose rows are those found.
    pub query: String,
    pub audit: Vec<AuditRow>,
}

pub async fn show(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Failure> {
    let id = id.parse().map_err(|_| Failure::NotFound)?;
    let dossier = load(console.site.app(), &by(&member), id, &query).await?;
    let page = page(&member, &dossier, GrantFields::fresh(), AdjustFields::fresh());
    Ok(member.visitor.page(render(&page)?))
}

pub async fn load(app: &App, by: &Principal, id: CustomerId, query: &ListQuery) -> Result<Dossier, Failure> {
    let customer = CustomerRef::Id(id);
    let all = Period { from: Timestamp::EPOCH, to: app.now().plus_seconds(1) };
    let mut statement = statements::statement(app, by, &customer, all, &query.page()).await?;
    if !query.text().is_empty() {
        let filter = Filter { text: Some(query.text().to_owned()), ..Filter::default() };
        statement.rows = statements::search(app, by, &customer, (all, &filter), &query.page()).await?;
    }
    Ok(Dossier {
        statement,
        query: query.text().to_owned(),
        standing: risk::load(app, by, id).await?,
        wallet: wallets::view(app, by, &customer, None).await?,
        holds: holds::open(app, by, &customer, HOLDS).await?,
        purchases: payments::list(app, by, &customer, &ListQuery::default().page()).await?.data,
        audit: audit::list(app, by, Some(id), &ListQuery::default().page()).await?.data,
        customer: customers::get(app, by, &customer).await?,
    })
}

pub fn page(member: &Member, of: &Dossier, grant: GrantFields, adjust: AdjustFields) -> CustomerPage {
    let shell = shell(&of.customer.name, "/console/customers", member);
    view(shell, of, grant, adjust)
}

pub fn view(shell: Shell, of: &Dossier, grant: GrantFields, adjust: AdjustFields) -> CustomerPage {
    let path = format!("/console/customers/{}", of.customer.id);
    let (customer, wallet, statement) = (&of.customer, &of.wallet, &of.statement);
    let cursor = statement.rows.next_cursor.as_ref();
    CustomerPage {
        shell,
        facts: vec![
            ("Mail", customer.email.clone()),
            ("External id", customer.external_id.clone()),
            ("Our id", customer.id.to_string()),
            ("Wallet", customer.wallet.to_string()),
            ("Kind", customer.kind.as_str().to_owned()),
            ("Currency", customer.currency.to_string().to_uppercase()),
            ("Since", instant(customer.created_at)),
        ],
        balance: vec![
            ("Available", credits(wallet.available)),
            ("Held", credits(wallet.held)),
            ("Debt", credits(wallet.debt)),
            ("Open holds", wallet.open_holds.to_string()),
        ],
        grant,
        adjust,
        risk: risk::panel(&of.standing, wallet),
        lots: wallet.lots.iter().map(lot).collect(),
        holds: of.holds.iter().map(hold).collect(),
        purchases: of.purchases.iter().map(purchase).collect(),
        identity: vec![
            ("Granted", signed_credits(statement.granted)),
            ("Used", signed_credits(minus(statement.used))),
            ("Expired", signed_credits(minus(statement.expired))),
            ("Adjusted", signed_credits(statement.adjusted)),
            ("Now", credits(statement.closing)),
        ],
        rows: statement.rows.data.iter().map(row).collect(),
        next: cursor.map(|cursor| next_path(&path, cursor, &of.query)),
        query: of.query.clone(),
        audit: of.audit.iter().map(audit_line).collect(),
        path,
    }
}

fn lot(lot: &LotView) -> Lot {
    Lot {
        id: lot.grant.to_string(),
        kind: lot.kind.to_string(),
        available: credits(lot.remaining),
        held: credits(lot.held),
        granted: credits(lot.granted),
        paid: lot.paid.map_or_else(|| "nothing".to_owned(), money),
        expires: lot.expires_at.map_or_else(|| "never".to_owned(), instant),
    }
}

fn hold(hold: &Hold) -> OpenHold {
    let what = hold.priced.as_ref().map(|p| format!("{} {}", p.feature, p.model));
    OpenHold {
        id: hold.id.to_string(),
        job: hold.job.clone().unwrap_or_default(),
        what: what.unwrap_or_else(|| "plain credits".to_owned()),
        remaining: credits(hold.remaining),
        since: instant(hold.created_at),
        until: instant(hold.expires_at),
    }
}

fn row(row: &statements::Row) -> Row {
    let is_charge = matches!(row.kind, EntryKind::Debit | EntryKind::Capture);
    let can_undo = is_charge && !row.is_reversed && row.is_posted;
    let receipt = row.receipt.filter(|_| can_undo);
    Row {
        at: instant(row.at),
        kind: if row.is_reversed { format!("{} (reversed)", row.kind) } else { row.kind.to_string() },
        what: what(row),
        credits: signed_credits(row.credits),
        balance: credits(row.balance),
        reversal_path: receipt.map(|id| format!("/console/receipts/{id}/reversal")),
    }
}

/// What a command was for, in the words it came with.
fn what(row: &statements::Row) -> String {
    let kind = row.grant_kind.map(|kind| kind.to_string());
    let job = row.job.as_ref().map(|job| format!("job {job}"));
    let subject = row.subject.as_ref().map(|subject| format!("for {subject}"));
    let words = [row.feature.clone(), row.model.clone(), kind, row.reason.clone(), job, subject];
    words.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

pub fn audit_line(row: &AuditRow) -> AuditLine {
    AuditLine {
        at: instant(row.created_at),
        actor: row.actor.clone(),
        action: row.action.clone(),
        reason: row.reason.clone(),
        state: row.state.clone(),
    }
}

/// The next rows of the statement, of those that are looked for.
fn next_path(path: &str, cursor: &str, query: &str) -> String {
    let pairs = [("cursor", cursor), ("q", query)].into_iter().filter(|(_, value)| !value.is_empty());
    let pairs = pairs.map(|(name, value)| format!("{name}={}", site::escaped(value)));
    format!("{path}?{}#statement", pairs.collect::<Vec<_>>().join("&"))
}

fn minus(credits: Credits) -> Credits {
    Credits::from_micros(-credits.micros())
}

/// A new act: its id is made with the form, so that a form sent twice acts once.
pub fn new_act() -> String {
    new_uuid().to_string()
}
