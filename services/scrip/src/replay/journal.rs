use client::{Client, Posting};
use kernel::Credits;

use super::ReplayError;

const POSTINGS_PER_PAGE: u32 = 100;
/// A billion postings; a list that goes on beyond that has lost its end.
const MAX_PAGES: u32 = 10_000_000;
/// The platform account that captures and debits move credits to.
const SPENT: &str = "spent";

/// What the server's journal says about one customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalTotals {
    /// Commands that spent and gave a receipt.
    pub captures: u64,
    pub spent: Credits,
}

impl JournalTotals {
    /// Pages through the customer's whole statement, one page in memory at a time.
    pub(super) async fn read(client: &Client, customer: &str) -> Result<JournalTotals, ReplayError> {
        let mut count = Count::default();
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let page = client
                .postings(customer, POSTINGS_PER_PAGE, cursor.as_deref())
                .await
                .map_err(|source| ReplayError::Call { doing: "reading the journal", source })?;
            for posting in &page.data {
                count.add(posting)?;
            }
            if !page.has_more {
                return Ok(count.totals);
            }
            if page.next_cursor.is_none() || page.next_cursor == cursor {
                return Err(ReplayError::EndlessJournal("it has more, but no next cursor"));
            }
            cursor = page.next_cursor;
        }
        Err(ReplayError::EndlessJournal("too many pages"))
    }
}

#[derive(Default)]
struct Count {
    totals: JournalTotals,
    /// The lines of one command stand together, so the receipt before is enough to count each once.
    last_receipt: Option<String>,
}

impl Count {
    fn add(&mut self, posting: &Posting) -> Result<(), ReplayError> {
        if posting.to.as_deref() == Some(SPENT) {
            let sum = self.totals.spent.checked_add(posting.amount);
            self.totals.spent = sum.ok_or(ReplayError::TooLarge("postings"))?;
        }
        // A reversal names the receipt that it undoes and moves credits the other way.
        let is_capture = posting.receipt.is_some() && posting.from.as_deref() != Some(SPENT);
        if is_capture && posting.receipt != self.last_receipt {
            self.totals.captures += 1;
            self.last_receipt.clone_from(&posting.receipt);
        }
        Ok(())
    }
}
