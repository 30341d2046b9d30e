//! Closed-loop callers in this process: the engine, or the naive transaction.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Engine, EngineCommand, KeyedInput, Request};
use futures::future::{join_all, try_join_all};
use kernel::{Credits, IdempotencyKey, WalletId};
use ledger::{Command, Gate, WhenShort};

use crate::bed::Bed;
use crate::naive::Naive;
use crate::spread::Chooser;
use crate::tally::{Counted, Tally, Window};

/// Touched at a time.
const AT_ONCE: usize = 1_000;
const ONE: Counted = Counted { operations: 1, commands: 1 };

/// What the engine's callers share.
#[derive(Clone)]
pub struct Debits {
    pub engine: Engine,
    pub wallets: Arc<[WalletId]>,
    /// The facts of a real receipt.
    pub about: Arc<str>,
}

pub async fn engine(
    debits: Debits,
    chooser: Chooser,
    callers: usize,
    measured: Duration,
    tag: &str,
) -> (Tally, Window) {
    let tag: Arc<str> = tag.into();
    call(chooser, callers, measured, move |caller, n, wallet| {
        let (debits, tag) = (debits.clone(), tag.clone());
        async move { debits.one(wallet, format!("{tag}-{caller}-{n}")).await }
    })
    .await
}

pub async fn naive(
    naive: Naive,
    chooser: Chooser,
    callers: usize,
    measured: Duration,
    tag: &str,
) -> (Tally, Window) {
    let tag: Arc<str> = tag.into();
    call(chooser, callers, measured, move |caller, n, account| {
        let (naive, key) = (naive.clone(), format!("{tag}-{caller}-{n}"));
        async move {
            let account = i64::try_from(account).expect("a small number");
            let debited = naive.debit(account, 1_000_000, &key).await.expect("the database answers");
            assert!(debited.is_some(), "account {account} is short");
        }
    })
    .await
}

/// `act` gets the caller, the number of its call and the wallet's index.
async fn call<F, Done>(mut chooser: Chooser, callers: usize, measured: Duration, act: F) -> (Tally, Window)
where
    F: Fn(usize, usize, usize) -> Done + Clone + Send + 'static,
    Done: Future<Output = ()> + Send,
{
    let window = Window::opening_now(measured);
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (mut chooser, act) = (chooser.fork(), act.clone());
            tokio::spawn(async move {
                let (mut tally, mut n) = (Tally::default(), 0);
                while !window.is_over() {
                    let began = Instant::now();
                    n += 1;
                    act(caller, n, chooser.draw()).await;
                    tally.note(window, began, ONE);
                }
                tally
            })
        })
        .collect();
    let mut all = Tally::default();
    for tally in try_join_all(tasks).await.expect("a caller does not panic") {
        all.add(tally);
    }
    (all, window)
}

impl Debits {
    pub fn of(bed: &Bed, engine: Engine) -> Debits {
        Debits { engine, wallets: bed.wallets.clone(), about: bed.about.clone() }
    }

    /// Debits every wallet once: the engine then knows them all, as one that runs for a while does.
    pub async fn touch_all(&self) {
        for first in (0..self.wallets.len()).step_by(AT_ONCE) {
            let wallets = first..self.wallets.len().min(first + AT_ONCE);
            join_all(wallets.map(|wallet| self.one(wallet, format!("touch-{wallet}")))).await;
        }
    }

    async fn one(&self, wallet: usize, key: String) {
        let key = IdempotencyKey::new(key).expect("a valid key");
        let command =
            Command::Debit { price: Credits::whole(1), gate: Gate::default(), when_short: WhenShort::Refuse };
        let request = Request {
            wallet: self.wallets[wallet],
            key: KeyedInput::Key { key, hash: [7; 32] },
            command: EngineCommand::Ledger(command),
            about: Some(self.about.as_ref().into()),
            vendor_transaction: None,
        };
        let answer = self.engine.submit(request).await.expect("a debit that can be paid");
        assert!(!answer.replayed, "every key is new");
    }
}
