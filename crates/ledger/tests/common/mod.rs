//! A wallet's story told in whole credits and in seconds from its start.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests, which clippy does not see as tests")]

use kernel::{Credits, Currency, Money, Seq, Timestamp};
use ledger::{
    Account, CaptureCharge, Change, Command, Entry, Gate, GrantKind, LotTerms, Refusal, Wallet, WhenShort,
    check, decide, fold, settled,
};

pub struct Story {
    pub wallet: Wallet,
    pub now: Timestamp,
    pub journal: Vec<Entry>,
}

/// A posting as an accountant writes it: from, to, whole credits, lot.
pub type Posting = (Account, Account, i64, Option<Seq>);

impl Story {
    pub fn new() -> Story {
        let wallet = Wallet::new("wal_00000000000000000000000001".parse().expect("a wallet's id"));
        Story { wallet, now: at(0), journal: Vec::new() }
    }

    /// Time passes until `seconds` after the start.
    pub fn at(&mut self, seconds: i64) -> &mut Story {
        self.now = at(seconds);
        self
    }

    pub fn decide(&self, command: &Command) -> Result<Change, Refusal> {
        decide(&self.wallet, command, self.now)
    }

    /// Does it, or fails the test; answers the seq of the command's own entry.
    pub fn does(&mut self, command: Command) -> Seq {
        let change = self.decide(&command).unwrap_or_else(|refusal| panic!("{command:?}: {refusal}"));
        for entry in &change.entries {
            fold(&mut self.wallet, entry).expect("a decided entry folds");
        }
        assert_eq!(self.wallet, change.wallet, "fold and decide part");
        check(&self.wallet).expect("the invariants");
        self.journal.extend(change.entries);
        self.wallet.seq
    }

    pub fn refusal(&self, command: Command) -> Refusal {
        match self.decide(&command) {
            Err(refusal) => refusal,
            Ok(_) => panic!("{command:?} was accepted"),
        }
    }

    pub fn grant(&mut self, terms: LotTerms) -> Seq {
        self.does(Command::Grant(terms))
    }

    pub fn hold(&mut self, credits: i64) -> Seq {
        self.does(authorize(credits, 900))
    }

    pub fn hold_for(&mut self, credits: i64, ttl_seconds: i64) -> Seq {
        self.does(authorize(credits, ttl_seconds))
    }

    pub fn capture(&mut self, hold: Seq, credits: i64) -> Seq {
        self.does(capture(hold, credits, true, WhenShort::Absorb))
    }

    pub fn void(&mut self, hold: Seq) -> Seq {
        self.does(Command::VoidHold { hold })
    }

    pub fn debit(&mut self, price: i64, when_short: WhenShort) -> Seq {
        self.does(debit(price, when_short))
    }

    pub fn reverse(&mut self, receipt: Seq) -> Seq {
        let command = self.reversal(receipt);
        self.does(command)
    }

    pub fn reversal(&self, receipt: Seq) -> Command {
        let receipt = self.entry(receipt).clone();
        let lots = receipt
            .lines
            .iter()
            .filter_map(|line| Some((line.lot?, self.wallet.lots.get(&line.lot?)?.terms.clone())))
            .collect();
        Command::Reverse { receipt: Box::new(receipt), lots }
    }

    pub fn entry(&self, seq: Seq) -> &Entry {
        self.journal.iter().find(|e| e.seq == seq).expect("an entry of this journal")
    }

    pub fn last(&self) -> &Entry {
        self.entry(self.wallet.seq)
    }

    pub fn postings(&self, seq: Seq) -> Vec<Posting> {
        let posting = |l: &ledger::Line| (l.from, l.to, whole(l.amount), l.lot);
        self.entry(seq).lines.iter().map(posting).collect()
    }

    /// Available, held, debt.
    pub fn balances(&self) -> (i64, i64, i64) {
        balances(&self.wallet)
    }

    /// The same as anybody sees them at another time.
    pub fn balances_at(&self, seconds: i64) -> (i64, i64, i64) {
        balances(&settled(&self.wallet, at(seconds)).expect("time never fails"))
    }

    /// Available and held part of a lot.
    pub fn lot(&self, seq: Seq) -> (i64, i64) {
        let lot = self.wallet.lots.get(&seq).expect("a lot of this wallet");
        (whole(lot.remaining), whole(lot.held))
    }

    /// What a hold has set aside, by lot.
    pub fn lots_of(&self, hold: Seq) -> Vec<(Seq, i64)> {
        let hold = self.wallet.holds.get(&hold).expect("a hold of this wallet");
        hold.lots.iter().map(|(lot, credits)| (*lot, whole(*credits))).collect()
    }
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::EPOCH.plus_seconds(1_000_000 + seconds)
}

pub fn cr(credits: i64) -> Credits {
    Credits::whole(credits)
}

/// A promotion that never expires.
pub fn lot(credits: i64) -> LotTerms {
    LotTerms {
        kind: GrantKind::Promo,
        granted: cr(credits),
        priority: ledger::DEFAULT_PRIORITY,
        expires_at: None,
        paid: None,
        clawed_back: Credits::ZERO,
        voided: false,
    }
}

pub fn until(seconds: i64, terms: LotTerms) -> LotTerms {
    LotTerms { expires_at: Some(at(seconds)), ..terms }
}

pub fn paid(cents: i64, terms: LotTerms) -> LotTerms {
    let money = Money { amount: cents, currency: Currency::USD };
    LotTerms { kind: GrantKind::Purchase, paid: Some(money), ..terms }
}

pub fn priority(priority: i16, terms: LotTerms) -> LotTerms {
    LotTerms { priority, ..terms }
}

pub fn authorize(credits: i64, ttl_seconds: i64) -> Command {
    Command::Authorize { credits: cr(credits), ttl_seconds, gate: Gate::default() }
}

pub fn extend(hold: Seq, credits: i64, ttl_seconds: Option<i64>) -> Command {
    Command::Extend { hold, credits: cr(credits), ttl_seconds }
}

pub fn capture(hold: Seq, credits: i64, is_final: bool, when_short: WhenShort) -> Command {
    Command::Capture { hold, charge: CaptureCharge::Credits(cr(credits)), is_final, when_short }
}

pub fn capture_total(hold: Seq, total: i64, captures_seen: u32) -> Command {
    let progress = format!("{{\"total\":{total}}}");
    let charge = CaptureCharge::Cumulative { total: cr(total), captures_seen, progress };
    Command::Capture { hold, charge, is_final: false, when_short: WhenShort::Absorb }
}

pub fn debit(price: i64, when_short: WhenShort) -> Command {
    Command::Debit { price: cr(price), gate: Gate::default(), when_short }
}

pub fn gated_debit(gate: Gate) -> Command {
    Command::Debit { price: cr(1), gate, when_short: WhenShort::Refuse }
}

fn balances(wallet: &Wallet) -> (i64, i64, i64) {
    (whole(wallet.available), whole(wallet.held), whole(wallet.debt))
}

fn whole(credits: Credits) -> i64 {
    assert_eq!(credits.micros() % kernel::MICROS_PER_CREDIT, 0, "stories are told in whole credits");
    credits.micros() / kernel::MICROS_PER_CREDIT
}
