//! Where calls bring what they want done with the file, and wait for the answer.

use std::{
    fmt, mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use function_runner_core::{Error, ErrorKind, Finish, LeaseKey, LeaseReply, LeaseRequest, Outcome, Result};
use futures::channel::oneshot;

use super::{
    clerk::Clerk,
    clock::Reading,
    fault::{Broken, Fault, Step},
    open::{Opened, Plan},
    store::Store,
};

/// A call's share of a transaction.
pub(super) trait Job: Send {
    /// Whether it waits until it is on the disk.
    fn lasts(&self) -> bool;

    /// When it was made, by a clock that a test turns.
    fn made_at(&self) -> Option<Reading>;

    /// Does it; what went wrong with the file ends the transaction.
    fn run(&mut self, store: &mut Store) -> Result<(), Broken>;

    /// Answers whoever called.
    fn answer(self: Box<Self>, committed: Result<(), &Broken>);
}

/// What reaches the thread.
pub(super) enum Message {
    Job(Box<dyn Job>),
    /// Another process rang.
    Page(Vec<u8>),
    /// A clock that a test turns has rung.
    Rang,
    Close,
}

/// Where calls bring what they want done.
pub(super) struct Desk {
    inbox: Sender<Message>,
    calls: AtomicU64,
    pub(super) opened: Opened,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("opened", &self.opened).finish_non_exhaustive()
    }
}

impl Desk {
    /// Opens the file on a thread of its own.
    pub(super) async fn open(plan: Plan) -> Result<Arc<Self>> {
        let (inbox, calls) = channel();
        let (ready, opening) = oneshot::channel();
        let bells = inbox.clone();
        let spawned = thread::Builder::new().name("fnr-queue".into()).spawn(move || {
            let opened = Clerk::open(plan, calls, bells);
            match opened {
                Ok((mut clerk, opened)) => {
                    // who opened it may have gone meanwhile: then the inbox is closed, and the thread ends
                    let _ = ready.send(Ok(opened));
                    clerk.work();
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        });
        spawned.map_err(|error| {
            Error::new(ErrorKind::Io, format!("no thread can be started for the queue's file: {error}"))
        })?;
        let opened = opening.await.map_err(|_| stopped())??;
        Ok(Arc::new(Self { inbox, calls: AtomicU64::new(1), opened }))
    }

    /// Does something in a transaction, and waits for its commit; until it is on the disk, where it `lasts`.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        lasts: bool,
        act: impl FnOnce(&mut Store) -> Step<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let made_at = self.opened.hand();
        let call = Call { act: Some(act), answer: None, reply, lasts, made_at };
        self.inbox.send(Message::Job(Box::new(call))).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Does something in a transaction, and does not wait for it.
    pub(super) fn post(&self, act: impl FnOnce(&mut Store) -> Step<()> + Send + 'static) {
        let (reply, _) = oneshot::channel();
        let call = Call { act: Some(act), answer: None, reply, lasts: false, made_at: self.opened.hand() };
        // a thread that has stopped has nothing left to be done
        let _ = self.inbox.send(Message::Job(Box::new(call)));
    }

    /// A lease call, which waits in the thread until there is work.
    pub(super) async fn lease(&self, ask: LeaseRequest) -> Result<LeaseReply> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let call = Ask { number, ask: Some(ask), reply: Some(reply), made_at: self.opened.hand() };
        self.inbox.send(Message::Job(Box::new(call))).map_err(|_| stopped())?;
        let mut waiting = Waiting { desk: self, number, over: false };
        let given = answer.await;
        waiting.over = true;
        Ok(given.map_err(|_| stopped())??.take())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.inbox.send(Message::Close);
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::Unavailable, "the thread of the queue's file has stopped")
        .with_context("backend", "embedded")
        .with_help("open the queue again")
}

/// One call that is answered with what its act answers.
struct Call<T, A> {
    act: Option<A>,
    answer: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
    lasts: bool,
    made_at: Option<Reading>,
}

impl<T: Send, A: FnOnce(&mut Store) -> Step<T> + Send> Job for Call<T, A> {
    fn lasts(&self) -> bool {
        self.lasts
    }

    fn made_at(&self) -> Option<Reading> {
        self.made_at
    }

    fn run(&mut self, store: &mut Store) -> Result<(), Broken> {
        let Some(act) = self.act.take() else { return Ok(()) };
        match act(store) {
            Ok(answer) => self.answer = Some(Ok(answer)),
            Err(Fault::Refused(error)) => self.answer = Some(Err(error)),
            Err(Fault::Broken(broken)) => return Err(broken),
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), &Broken>) {
        let answer = match committed {
            Ok(()) => self.answer.unwrap_or_else(|| Err(stopped())),
            Err(broken) => Err(broken.error()),
        };
        // who called may have gone
        let _ = self.reply.send(answer);
    }
}

/// One lease call.
struct Ask {
    number: u64,
    ask: Option<LeaseRequest>,
    reply: Option<oneshot::Sender<Result<Given>>>,
    made_at: Option<Reading>,
}

impl Job for Ask {
    fn lasts(&self) -> bool {
        false
    }

    fn made_at(&self) -> Option<Reading> {
        self.made_at
    }

    fn run(&mut self, store: &mut Store) -> Result<(), Broken> {
        let (Some(ask), Some(reply)) = (self.ask.take(), self.reply.take()) else { return Ok(()) };
        match store.ask(self.number, ask, reply) {
            Ok(()) => Ok(()),
            Err(Fault::Broken(broken)) => Err(broken),
            // nothing of a lease call is refused
            Err(Fault::Refused(error)) => Err(Broken::corrupt(error)),
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), &Broken>) {
        if let (Some(reply), Err(broken)) = (self.reply, committed) {
            let _ = reply.send(Err(broken.error()));
        }
    }
}

/// What a lease call was given; goes back at once if nobody takes it out.
#[derive(Debug)]
pub(super) struct Given {
    reply: LeaseReply,
    inbox: Sender<Message>,
}

impl Given {
    pub(super) const fn new(reply: LeaseReply, inbox: Sender<Message>) -> Self {
        Self { reply, inbox }
    }

    fn take(mut self) -> LeaseReply {
        mem::take(&mut self.reply)
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        let keys: Vec<LeaseKey> = self.reply.leases.drain(..).map(|lease| lease.key).collect();
        if keys.is_empty() {
            return;
        }
        let give_back = move |store: &mut Store| {
            keys.into_iter().try_for_each(|key| {
                let released = Outcome::Released { after: Duration::ZERO };
                store.finish(Finish::new(key, released)).map(drop)
            })
        };
        let (reply, _) = oneshot::channel();
        let call = Call { act: Some(give_back), answer: None, reply, lasts: false, made_at: None };
        // a thread that has stopped gave nothing that counts
        let _ = self.inbox.send(Message::Job(Box::new(call)));
    }
}

/// A lease call that waits; hangs up when it is dropped.
struct Waiting<'a> {
    desk: &'a Desk,
    number: u64,
    over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.over {
            let number = self.number;
            self.desk.post(move |store| store.hang_up(number));
        }
    }
}
