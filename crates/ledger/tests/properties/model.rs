//! A second ledger, written from `rules.md` and dumb on purpose: credits are piles that lie somewhere,
//! every figure is a sum over all piles, and nothing is kept twice. It shares no code with the crate,
//! only the words in which commands are said.

use ledger::{CaptureCharge, Command, Gate, GrantKind, HoldState, LotTerms, StepUp, WhenShort};

const MOST: i128 = i64::MAX as i128;

/// Where a pile of credits lies. Credits never vanish, they only change place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Free,
    Held(i64),
    Spent(i64),
    Expired,
    Revoked,
    PaidDebt,
}

#[derive(Clone, Debug)]
struct Pile {
    lot: i64,
    place: Place,
    micros: i128,
}

#[derive(Clone, Debug)]
pub struct ModelLot {
    pub seq: i64,
    pub kind: GrantKind,
    pub priority: i16,
    pub expires: Option<i64>,
    pub paid: i128,
    pub granted: i128,
    pub clawed: i128,
    pub voided: bool,
    is_issued: bool,
}

#[derive(Clone, Debug)]
pub struct ModelHold {
    pub seq: i64,
    pub state: HoldState,
    pub expires: i64,
    pub authorized: i128,
    pub captured: i128,
    pub captures: u32,
    pub progress: Option<String>,
}

#[derive(Clone, Debug)]
struct Receipt {
    seq: i64,
    owed: i128,
    uncovered: i128,
    reversed: bool,
}

/// Mistakes that the harness must notice; the canaries switch them on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    PaidBurnsFirst,
    ExpiryIsInclusive,
    HeldCreditsExpire,
    GrantsIgnoreDebt,
    VoidReturnsToAnotherLot,
    ReturnedCreditsOutliveTheirLot,
    AnOverdraftHasNoLimit,
    AnExtensionMayShorten,
    AReversalForgetsDebt,
    ReturnedCreditsIgnoreDebt,
    ARestrictionHasNoEnd,
    AnExtensionIsNoNewWork,
    AReleaseIgnoresTheName,
}

#[derive(Clone, Debug)]
pub struct ModelRestriction {
    pub seq: i64,
    pub since: i64,
    pub until: Option<i64>,
    pub step_up: StepUp,
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub seq: i64,
    pub recorded: i64,
    pub debt: i128,
    pub lots: Vec<ModelLot>,
    pub holds: Vec<ModelHold>,
    pub restriction: Option<ModelRestriction>,
    flaw: Option<Flaw>,
    piles: Vec<Pile>,
    receipts: Vec<Receipt>,
    clawed_as_debt: i128,
    calls: Vec<i64>,
}

pub type Refused = &'static str;

impl Model {
    pub fn new(flaw: Option<Flaw>) -> Model {
        Model { flaw, ..Model::default() }
    }

    /// The model after `command`, or why it is refused.
    pub fn apply(&self, command: &Command, clock: i64) -> Result<Model, Refused> {
        let mut next = self.clone();
        let now = clock.max(self.recorded);
        next.settle(now);
        next.seq += 1;
        match command {
            Command::Grant(terms) => next.grant(terms, now)?,
            Command::VoidGrant { grant } => next.void_grant(*grant)?,
            Command::Clawback { grant, credits } => next.claw_back(*grant, credits.micros().into())?,
            Command::Authorize { credits, ttl_seconds, gate } => {
                next.authorize(credits.micros().into(), *ttl_seconds, gate, now)?;
            }
            Command::Extend { hold, credits, ttl_seconds } => {
                next.extend(*hold, credits.micros().into(), *ttl_seconds, now)?;
            }
            Command::Capture { hold, charge, is_final, when_short } => {
                next.capture(*hold, charge, *is_final, *when_short, now)?;
            }
            Command::VoidHold { hold } => next.void_hold(*hold, now)?,
            Command::Debit { price, gate, when_short } => {
                next.debit(price.micros().into(), gate, *when_short, now)?;
            }
            Command::Unrated => {}
            Command::Reverse { receipt, .. } => next.reverse(receipt.seq, now)?,
            Command::Restrict { until, step_up } => {
                next.restrict(until.map(|at| at.micros()), *step_up, now)?;
            }
            Command::Release { restriction } => next.release_restriction(*restriction, now)?,
        }
        let fits = next.available() + next.held() <= MOST && next.debt <= MOST;
        next.recorded = now;
        if fits { Ok(next) } else { Err("too large") }
    }

    /// What time alone does until `now`: instant by instant, lapses before expiries.
    pub fn settle(&mut self, now: i64) {
        while let Some(instant) = self.next_instant(now) {
            for hold in self.open_holds_that_end_at(instant) {
                self.seq += 1;
                self.release(hold, instant);
                self.hold_mut(hold).state = HoldState::Lapsed;
            }
            for lot in self.lots_that_end_at(instant) {
                self.seq += 1;
                self.move_all(|p| p.lot == lot && p.place == Place::Free, |_| Place::Expired);
                if self.flaw == Some(Flaw::HeldCreditsExpire) {
                    self.move_all(|p| p.lot == lot && matches!(p.place, Place::Held(_)), |_| Place::Expired);
                }
            }
        }
    }

    fn next_instant(&self, now: i64) -> Option<i64> {
        let lapses = self.holds.iter().filter(|h| h.state == HoldState::Open).map(|h| h.expires);
        let expiries = self
            .lots
            .iter()
            .filter(|l| self.ends_at(l).is_some_and(|at| at <= now))
            .filter(|l| self.has_something_to_expire(l.seq))
            .filter_map(|l| self.ends_at(l));
        lapses.filter(|at| *at <= now).chain(expiries).min()
    }

    fn has_something_to_expire(&self, lot: i64) -> bool {
        self.sum(|p| p.lot == lot && self.can_expire(p)) > 0
    }

    fn can_expire(&self, pile: &Pile) -> bool {
        let held = matches!(pile.place, Place::Held(_)) && self.flaw == Some(Flaw::HeldCreditsExpire);
        pile.place == Place::Free || held
    }

    fn ends_at(&self, lot: &ModelLot) -> Option<i64> {
        let late = i64::from(self.flaw == Some(Flaw::ExpiryIsInclusive));
        lot.expires.map(|at| at + late)
    }

    fn lots_that_end_at(&self, instant: i64) -> Vec<i64> {
        let ending = self.lots.iter().filter(|l| self.ends_at(l) == Some(instant));
        ending.map(|l| l.seq).filter(|seq| self.has_something_to_expire(*seq)).collect()
    }

    fn open_holds_that_end_at(&self, instant: i64) -> Vec<i64> {
        self.holds
            .iter()
            .filter(|h| h.state == HoldState::Open && h.expires == instant)
            .map(|h| h.seq)
            .collect()
    }

    fn grant(&mut self, terms: &LotTerms, now: i64) -> Result<(), Refused> {
        let expires = terms.expires_at.map(|at| at.micros());
        if expires.is_some_and(|at| at <= now) {
            return Err("expiry passed");
        }
        let granted: i128 = terms.granted.micros().into();
        self.lots.push(ModelLot {
            seq: self.seq,
            kind: terms.kind,
            priority: terms.priority,
            expires,
            paid: terms.paid.map_or(0, |m| m.amount.into()),
            granted,
            clawed: 0,
            voided: false,
            is_issued: true,
        });
        let pays = if self.flaw == Some(Flaw::GrantsIgnoreDebt) { 0 } else { self.debt.min(granted) };
        self.debt -= pays;
        self.put(self.seq, Place::PaidDebt, pays);
        self.put(self.seq, Place::Free, granted - pays);
        Ok(())
    }

    fn void_grant(&mut self, grant: i64) -> Result<(), Refused> {
        let lot = self.lot_to_take_back(grant)?;
        lot.voided = true;
        self.move_all(|p| p.lot == grant && p.place == Place::Free, |_| Place::Revoked);
        Ok(())
    }

    fn claw_back(&mut self, grant: i64, asked: i128) -> Result<(), Refused> {
        let lot = self.lot_to_take_back(grant)?;
        if lot.clawed + asked > lot.granted {
            return Err("clawback too large");
        }
        lot.clawed += asked;
        let taken = asked.min(self.sum(|p| p.lot == grant && p.place == Place::Free));
        self.take(grant, Place::Free, Place::Revoked, taken);
        self.debt += asked - taken;
        self.clawed_as_debt += asked - taken;
        Ok(())
    }

    fn authorize(&mut self, credits: i128, ttl: i64, gate: &Gate, now: i64) -> Result<(), Refused> {
        self.judge(gate, now)?;
        let open = self.holds.iter().filter(|h| h.state == HoldState::Open).count();
        if gate.max_open_holds.is_some_and(|most| open >= most as usize) {
            return Err("too many holds");
        }
        if credits > self.available() {
            return Err("short");
        }
        self.take_in_burn_order(Place::Held(self.seq), credits);
        self.holds.push(ModelHold {
            seq: self.seq,
            state: HoldState::Open,
            expires: now + ttl * 1_000_000,
            authorized: credits,
            captured: 0,
            captures: 0,
            progress: None,
        });
        self.calls.push(now / 1_000_000);
        Ok(())
    }

    fn extend(&mut self, hold: i64, credits: i128, ttl: Option<i64>, now: i64) -> Result<(), Refused> {
        self.open_hold(hold)?;
        let is_new_work = credits > 0 && self.flaw != Some(Flaw::AnExtensionIsNoNewWork);
        if is_new_work && self.is_restricted(now) {
            return Err("restricted");
        }
        if credits > self.available() {
            return Err("short");
        }
        self.take_in_burn_order(Place::Held(hold), credits);
        let may_shorten = self.flaw == Some(Flaw::AnExtensionMayShorten);
        let held = self.hold_mut(hold);
        held.authorized += credits;
        let until = ttl.map_or(held.expires, |ttl| now + ttl * 1_000_000);
        if until > held.expires || may_shorten {
            held.expires = until;
        }
        if held.authorized > MOST { Err("too large") } else { Ok(()) }
    }

    fn capture(
        &mut self,
        seq: i64,
        charge: &CaptureCharge,
        is_final: bool,
        when_short: WhenShort,
        now: i64,
    ) -> Result<(), Refused> {
        let hold = self.holds.iter_mut().find(|h| h.seq == seq).ok_or("unknown hold")?;
        if !matches!(hold.state, HoldState::Open | HoldState::Lapsed) {
            return Err("hold not open");
        }
        let cost: i128 = match charge {
            CaptureCharge::Credits(credits) => credits.micros().into(),
            CaptureCharge::Cumulative { captures_seen, .. } if *captures_seen != hold.captures => {
                return Err("hold moved");
            }
            CaptureCharge::Cumulative { total, progress, .. } => {
                hold.progress = Some(progress.clone());
                (i128::from(total.micros()) - hold.captured).max(0)
            }
        };
        hold.captured += cost;
        hold.captures += 1;
        if hold.captured > MOST {
            return Err("too large");
        }
        let paid = self.take_held(seq, cost);
        let missing = cost - paid - self.take_in_burn_order(Place::Spent(self.seq), cost - paid);
        if missing > 0 && matches!(when_short, WhenShort::Refuse | WhenShort::Unbilled) {
            return Err("short");
        }
        self.receive(missing, when_short);
        if is_final {
            self.release(seq, now);
            self.hold_mut(seq).state = HoldState::Captured;
        }
        Ok(())
    }

    fn void_hold(&mut self, hold: i64, now: i64) -> Result<(), Refused> {
        self.open_hold(hold)?;
        self.release(hold, now);
        self.hold_mut(hold).state = HoldState::Voided;
        Ok(())
    }

    fn debit(&mut self, price: i128, gate: &Gate, when_short: WhenShort, now: i64) -> Result<(), Refused> {
        self.judge(gate, now)?;
        if price > self.available() {
            match when_short {
                WhenShort::Refuse => return Err("short"),
                WhenShort::Unbilled => return Ok(()),
                WhenShort::Absorb | WhenShort::Overdraft { .. } => {}
            }
        }
        let taken = self.take_in_burn_order(Place::Spent(self.seq), price);
        self.receive(price - taken, when_short);
        self.calls.push(now / 1_000_000);
        Ok(())
    }

    fn reverse(&mut self, seq: i64, now: i64) -> Result<(), Refused> {
        let receipt = self.receipts.iter_mut().find(|r| r.seq == seq).ok_or("unknown receipt")?;
        receipt.reversed = true;
        let owed = receipt.owed;
        let still = if self.flaw == Some(Flaw::AReversalForgetsDebt) { 0 } else { owed.min(self.debt) };
        self.debt -= still;
        self.pay_debt_with(Place::Spent(seq));
        let homes = self.homes(now);
        self.move_all(|p| p.place == Place::Spent(seq), |p| homes(p.lot));
        if owed > still {
            self.lots.push(ModelLot {
                seq: self.seq,
                kind: GrantKind::Refund,
                priority: 50,
                expires: None,
                paid: 0,
                granted: owed - still,
                clawed: 0,
                voided: false,
                is_issued: false,
            });
            self.put(self.seq, Place::Free, owed - still);
        }
        Ok(())
    }

    /// Writes the receipt of the command at hand; work that no lot paid is debt or uncovered.
    fn receive(&mut self, missing: i128, when_short: WhenShort) {
        let room = match when_short {
            WhenShort::Overdraft { .. } if self.flaw == Some(Flaw::AnOverdraftHasNoLimit) => missing,
            WhenShort::Overdraft { limit } => (i128::from(limit.micros()) - self.debt).max(0),
            _ => 0,
        };
        let owed = missing.min(room);
        self.debt += owed;
        self.receipts.push(Receipt { seq: self.seq, owed, uncovered: missing - owed, reversed: false });
    }

    fn restrict(&mut self, until: Option<i64>, step_up: StepUp, now: i64) -> Result<(), Refused> {
        if until.is_some_and(|at| at <= now) {
            return Err("expiry passed");
        }
        let end = |until: Option<i64>| until.unwrap_or(i64::MAX);
        let known = self.restriction.as_ref().filter(|_| self.is_restricted(now));
        if known.is_some_and(|known| end(known.until) > end(until)) {
            return Err("restricted longer");
        }
        self.restriction = Some(ModelRestriction { seq: self.seq, since: now, until, step_up });
        Ok(())
    }

    fn release_restriction(&mut self, named: Option<i64>, now: i64) -> Result<(), Refused> {
        let ignores = self.flaw == Some(Flaw::AReleaseIgnoresTheName);
        let is_it = |seq: i64| ignores || named.is_none_or(|named| named == seq);
        if !self.is_restricted(now) || !self.restriction.as_ref().is_some_and(|r| is_it(r.seq)) {
            return Err("not restricted");
        }
        self.restriction = None;
        Ok(())
    }

    fn is_restricted(&self, now: i64) -> bool {
        let lasts = self.flaw == Some(Flaw::ARestrictionHasNoEnd);
        self.restriction.as_ref().is_some_and(|r| lasts || r.until.is_none_or(|until| now < until))
    }

    /// The plan's limit is for any minute; calls are known by their whole second, so a call counts
    /// until its second lies outside of the minute.
    fn judge(&self, gate: &Gate, now: i64) -> Result<(), Refused> {
        let recent = self.calls.iter().filter(|at| now / 1_000_000 - **at <= 60).count();
        if !gate.is_done && self.is_restricted(now) {
            Err("restricted")
        } else if gate.valid_until.is_some_and(|until| until.micros() <= now) {
            Err("quote expired")
        } else if gate.is_denied {
            Err("not entitled")
        } else if gate.calls_per_minute.is_some_and(|most| recent >= most as usize) {
            Err("rate limited")
        } else {
            Ok(())
        }
    }

    // --- piles -------------------------------------------------------------------------------------

    /// Lays credits on the pile of their lot and place, or on a new one behind all others.
    fn put(&mut self, lot: i64, place: Place, micros: i128) {
        match self.piles.iter_mut().find(|p| p.lot == lot && p.place == place) {
            Some(pile) => pile.micros += micros,
            None => self.piles.push(Pile { lot, place, micros }),
        }
        self.piles.retain(|p| p.micros > 0);
    }

    fn sum(&self, of: impl Fn(&Pile) -> bool) -> i128 {
        self.piles.iter().filter(|p| of(p)).map(|p| p.micros).sum()
    }

    fn move_all(&mut self, which: impl Fn(&Pile) -> bool, to: impl Fn(&Pile) -> Place) {
        for pile in self.piles.iter_mut().filter(|p| which(p)) {
            pile.place = to(pile);
        }
    }

    /// Moves `micros` of one lot. A lot that comes to a hold lies behind those that came before, and a
    /// lot of which the hold still has something keeps its place.
    fn take(&mut self, lot: i64, from: Place, to: Place, mut micros: i128) {
        let mut moved = 0;
        for pile in self.piles.iter_mut().filter(|p| p.lot == lot && p.place == from) {
            let part = pile.micros.min(micros);
            pile.micros -= part;
            micros -= part;
            moved += part;
        }
        self.put(lot, to, moved);
    }

    fn take_in_burn_order(&mut self, to: Place, micros: i128) -> i128 {
        let mut left = micros;
        while left > 0
            && let Some(lot) = self.next_to_burn()
        {
            let part = left.min(self.free_of(lot));
            self.take(lot, Place::Free, to, part);
            left -= part;
        }
        micros - left
    }

    fn next_to_burn(&self) -> Option<i64> {
        let mut best: Option<&ModelLot> = None;
        for lot in self.lots.iter().filter(|l| self.free_of(l.seq) > 0) {
            if best.is_none_or(|b| self.burns_before(lot, b)) {
                best = Some(lot);
            }
        }
        best.map(|l| l.seq)
    }

    fn burns_before(&self, a: &ModelLot, b: &ModelLot) -> bool {
        let end = |l: &ModelLot| l.expires.unwrap_or(i64::MAX);
        let (mut cheaper, mut dearer) = (a.paid * b.granted, b.paid * a.granted);
        if self.flaw == Some(Flaw::PaidBurnsFirst) {
            (cheaper, dearer) = (dearer, cheaper);
        }
        if a.priority != b.priority {
            a.priority < b.priority
        } else if end(a) != end(b) {
            end(a) < end(b)
        } else if cheaper != dearer {
            cheaper < dearer
        } else {
            a.seq < b.seq
        }
    }

    fn take_held(&mut self, hold: i64, micros: i128) -> i128 {
        let mut left = micros;
        for (lot, held) in self.parts_of(hold) {
            let part = left.min(held);
            self.take(lot, Place::Held(hold), Place::Spent(self.seq), part);
            left -= part;
        }
        micros - left
    }

    /// What a hold has set aside, by lot, in the order in which the lots came to it.
    pub fn parts_of(&self, hold: i64) -> Vec<(i64, i128)> {
        self.parts_at(Place::Held(hold))
    }

    fn parts_at(&self, place: Place) -> Vec<(i64, i128)> {
        let mut parts: Vec<(i64, i128)> = Vec::new();
        for pile in self.piles.iter().filter(|p| p.place == place) {
            match parts.iter_mut().find(|(lot, _)| *lot == pile.lot) {
                Some((_, micros)) => *micros += pile.micros,
                None => parts.push((pile.lot, pile.micros)),
            }
        }
        parts
    }

    fn release(&mut self, hold: i64, instant: i64) {
        self.pay_debt_with(Place::Held(hold));
        let homes = self.homes(instant);
        let elsewhere = (self.flaw == Some(Flaw::VoidReturnsToAnotherLot))
            .then(|| self.lots.iter().find(|l| homes(l.seq) == Place::Free).map(|l| l.seq))
            .flatten();
        if let Some(lot) = elsewhere {
            self.piles.iter_mut().filter(|p| p.place == Place::Held(hold)).for_each(|p| p.lot = lot);
        }
        self.move_all(|p| p.place == Place::Held(hold), |p| homes(p.lot));
    }

    /// Credits that are about to come back pay debt, as far as their lot was clawed back.
    fn pay_debt_with(&mut self, place: Place) {
        if self.flaw == Some(Flaw::ReturnedCreditsIgnoreDebt) {
            return;
        }
        for (lot, micros) in self.parts_at(place) {
            let clawed = self.lots.iter().find(|l| l.seq == lot).map_or(0, |l| l.clawed);
            let pays = micros.min(clawed).min(self.debt);
            self.take(lot, place, Place::PaidDebt, pays);
            self.debt -= pays;
        }
    }

    /// Where credits go that come back to a lot at `instant`.
    fn homes(&self, instant: i64) -> impl Fn(i64) -> Place + use<> {
        let lots = self.lots.clone();
        let outlives = self.flaw == Some(Flaw::ReturnedCreditsOutliveTheirLot);
        move |seq| match lots.iter().find(|l| l.seq == seq) {
            Some(lot) if lot.voided => Place::Revoked,
            Some(lot) if !outlives && lot.expires.is_some_and(|at| at <= instant) => Place::Expired,
            _ => Place::Free,
        }
    }

    fn lot_to_take_back(&mut self, seq: i64) -> Result<&mut ModelLot, Refused> {
        let lot = self.lots.iter_mut().find(|l| l.seq == seq).ok_or("unknown grant")?;
        if lot.voided { Err("grant voided") } else { Ok(lot) }
    }

    fn open_hold(&self, seq: i64) -> Result<(), Refused> {
        let hold = self.holds.iter().find(|h| h.seq == seq).ok_or("unknown hold")?;
        if hold.state == HoldState::Open { Ok(()) } else { Err("hold not open") }
    }

    fn hold_mut(&mut self, seq: i64) -> &mut ModelHold {
        self.holds.iter_mut().find(|h| h.seq == seq).expect("only known holds are asked for")
    }

    // --- figures -----------------------------------------------------------------------------------

    pub fn available(&self) -> i128 {
        self.sum(|p| p.place == Place::Free)
    }

    pub fn held(&self) -> i128 {
        self.sum(|p| matches!(p.place, Place::Held(_)))
    }

    pub fn free_of(&self, lot: i64) -> i128 {
        self.sum(|p| p.lot == lot && p.place == Place::Free)
    }

    pub fn held_of(&self, lot: i64) -> i128 {
        self.sum(|p| p.lot == lot && matches!(p.place, Place::Held(_)))
    }

    pub fn is_reversed(&self, receipt: i64) -> bool {
        self.receipts.iter().any(|r| r.seq == receipt && r.reversed)
    }

    pub fn issued(&self) -> i128 {
        self.lots.iter().filter(|l| l.is_issued).map(|l| l.granted).sum()
    }

    pub fn uncovered(&self) -> i128 {
        self.receipts.iter().filter(|r| !r.reversed).map(|r| r.uncovered).sum()
    }

    pub fn spent(&self) -> i128 {
        let on_credit: i128 = self.receipts.iter().filter(|r| !r.reversed).map(|r| r.owed).sum();
        self.sum(|p| matches!(p.place, Place::Spent(_))) + on_credit + self.uncovered()
    }

    pub fn expired(&self) -> i128 {
        self.sum(|p| p.place == Place::Expired)
    }

    pub fn revoked(&self) -> i128 {
        self.sum(|p| p.place == Place::Revoked) + self.clawed_as_debt
    }
}
