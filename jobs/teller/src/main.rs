//! A service of several instances, each with its own account: a message is an amount, the answer is what there is then.
//! Asked to stop, it still answers what has come before, and then goes home: nobody in the queue is sent away.
//!
//!     sandhog send teller 25 --wait 1s

use sandhog::{Connection, Error, Result, Source, channel, process, wait_any};

#[derive(Default)]
struct Account {
    balance: i64,
    served: u32,
}

impl Account {
    fn serve(&mut self, amount: i64) -> Result<i64, String> {
        self.served += 1;
        let balance = self.balance.checked_add(amount).filter(|balance| *balance >= 0);
        self.balance = balance.ok_or_else(|| format!("there are only {}", self.balance))?;
        Ok(self.balance)
    }
}

/// Answers everything that is there; whether more can come.
fn serve_all(counter: &Connection, account: &mut Account) -> Result<bool> {
    loop {
        match counter.try_recv() {
            Ok(Some(amount)) => counter.send(&account.serve(amount))?,
            Ok(None) => return Ok(true),
            Err(Error::Invalid(why)) => {
                counter.send(&Err::<i64, _>(format!("an amount, please: {why}")))?
            }
            Err(Error::Closed) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

#[sandhog::main]
fn main() -> Result<()> {
    let mut account = Account::default();
    let mut counter = channel::parent();
    process::ready();
    loop {
        let sources = [Some(Source::Stopping), counter.as_ref().map(Source::Message)];
        let stopping = wait_any(&sources.into_iter().flatten().collect::<Vec<_>>())?.contains(&0);
        // What has come is answered, also where it is time to go.
        counter = match counter {
            Some(open) if serve_all(&open, &mut account)? => Some(open),
            Some(_) | None => None,
        };
        if stopping {
            println!(
                "teller {}: {} served, going home",
                process::identity().instance,
                account.served
            );
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_holds_what_was_brought_and_never_less_than_nothing() {
        let mut account = Account::default();
        assert_eq!(account.serve(25), Ok(25));
        assert_eq!(account.serve(-30), Err("there are only 25".into()));
        assert_eq!(account.serve(i64::MAX), Err("there are only 25".into()));
        assert_eq!((account.serve(-25), account.served), (Ok(0), 4));
    }
}
