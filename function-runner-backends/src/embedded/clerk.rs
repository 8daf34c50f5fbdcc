//! The one thread that has the file: it drains what calls brought, commits once, and answers all.

use std::{
    mem,
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
    task::{Context, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use function_runner_core::{By, Error, ErrorKind, Result, Timestamp};
use futures::future::BoxFuture;

use super::{
    bell::{Bell, Ear},
    clock::Reading,
    desk::{Given, Job, Message},
    fault::{Broken, Fault, Step},
    file,
    letter::Letter,
    open::{Opened, Plan, Sync},
    store::Store,
};

/// The most calls of one transaction: what waits behind it must not wait long.
const MAX_BATCH: usize = 256;

/// How often the file is looked at for what nobody told, while other processes have it open. All else is told.
const SAFETY: Duration = Duration::from_secs(1);

/// How long the thread looks for the next call before it sleeps.
const LINGER: Duration = Duration::from_micros(50);

/// The thread's own side.
pub(super) struct Clerk {
    store: Store,
    messages: Receiver<Message>,
    inbox: Sender<Message>,
    /// Whether commits wait for the disk where a call asks for it, and whether the next one would.
    syncs: bool,
    full: bool,
    /// Processes that did not answer, and whether a wake was lost on its way.
    gone: Vec<i64>,
    rouse: bool,
    /// When the file was last looked at for what nobody told.
    looked: Instant,
    /// When open watches serve what is due.
    tick: Timestamp,
    /// A clock that a test turns, asked to ring.
    ringing: Option<BoxFuture<'static, ()>>,
}

/// What the thread does next.
struct Turn {
    jobs: Vec<Box<dyn Job>>,
    pages: Vec<Vec<u8>>,
    /// A timer may have rung.
    rings: bool,
    closes: bool,
}

impl Clerk {
    /// Opens the file, enters this process among those that have it, and listens for the others.
    pub(super) fn open(
        plan: Plan,
        messages: Receiver<Message>,
        inbox: Sender<Message>,
    ) -> Result<(Self, Opened)> {
        let path = plan.whole_path().map_err(|broken| broken.at(&plan.path))?;
        let told = |broken: Broken| broken.at(&path);
        let sql = file::open(&path, &plan.times).map_err(told)?;
        let bell = Bell::new(&path).map_err(told)?;
        let mut ear = bell.ear().map_err(told)?;
        let store = Store::new(sql, bell, &plan);
        let bells = inbox.clone();
        let listener = thread::Builder::new().name("fnr-bell".into());
        listener.spawn(move || listen(&mut ear, &bells)).map_err(|error| {
            Error::new(ErrorKind::Io, format!("no thread can be started for the queue's file: {error}"))
        })?;
        let mut clerk = Self {
            store,
            messages,
            inbox,
            syncs: plan.sync == Sync::Full,
            full: true,
            gone: Vec::new(),
            rouse: false,
            looked: Instant::now(),
            tick: Timestamp::default(),
            ringing: None,
        };
        clerk.transact(false, Store::enter).map_err(told)?;
        clerk.gone = clerk.store.processes.ring_all();
        let (times, clocks) = (plan.times, plan.clocks.clone());
        Ok((clerk, Opened { path: path.clone(), times, clocks, sync: plan.sync }))
    }

    pub(super) fn work(&mut self) {
        loop {
            let mut turn = self.next();
            self.settle(&mut turn);
            if turn.closes {
                // the program may end at any moment now: without its bell it is struck out by another
                self.store.processes.bell.take_down();
                let _ = self.transact(false, Store::depart);
                return;
            }
        }
    }

    /// Waits for something to do, and takes all there is.
    fn next(&mut self) -> Turn {
        let mut turn = Turn { jobs: Vec::new(), pages: Vec::new(), rings: false, closes: false };
        match self.linger().or_else(|| self.wait()) {
            Some(message) => turn.add(message),
            None => turn.rings = true,
        }
        self.drain(&mut turn);
        // those who were answered together come again together: one sync for all is worth a moment
        let mut before = 1;
        while turn.jobs.len() > before {
            before = turn.jobs.len();
            thread::yield_now();
            self.drain(&mut turn);
        }
        turn
    }

    /// Looks for a message for a moment, in which others may run: to be woken takes longer.
    fn linger(&self) -> Option<Message> {
        let began = Instant::now();
        loop {
            match self.messages.try_recv() {
                Ok(message) => return Some(message),
                Err(_) if began.elapsed() < LINGER => thread::yield_now(),
                Err(_) => return None,
            }
        }
    }

    fn drain(&mut self, turn: &mut Turn) {
        while turn.jobs.len() < MAX_BATCH
            && !turn.closes
            && let Ok(message) = self.messages.try_recv()
        {
            turn.add(message);
        }
    }

    /// Waits for a message; none where a timer rings first.
    fn wait(&mut self) -> Option<Message> {
        if !self.gone.is_empty() || self.rouse {
            return None;
        }
        let raw = self.store.clocks.read();
        let due = self.due(raw);
        let mut patience = if self.store.processes.is_alone() {
            None
        } else {
            Some(SAFETY.saturating_sub(self.looked.elapsed()))
        };
        match self.store.clocks.hand() {
            None => patience = patience.into_iter().chain(due).min(),
            Some(_) => {
                if self.rings_by_hand(due.map(|due| raw.steady.after(due))) {
                    return None;
                }
            }
        }
        match patience {
            None => self.messages.recv().ok(),
            // its own end of the channel is open: it can only be late
            Some(patience) => self.messages.recv_timeout(patience).ok(),
        }
    }

    /// In how long from this reading a timer rings for a call of this process.
    fn due(&mut self, raw: Reading) -> Option<Duration> {
        let store = &mut self.store;
        store.look_at_clock(Some(raw));
        let now = store.steady;
        let tick = (!store.watching.is_empty()).then(|| self.tick.since(now));
        let ends = store.asleep.values().map(|asleep| asleep.end.since(now)).min();
        let timer = store.timer.filter(|_| ends.is_some()).map(|timer| timer.since(now));
        tick.into_iter().chain(ends).chain(timer).min()
    }

    /// Asks a clock that a test turns to ring at this moment; whether it does so at once.
    fn rings_by_hand(&mut self, due: Option<Timestamp>) -> bool {
        self.ringing = None;
        let (Some(clock), Some(due)) = (self.store.clocks.hand(), due) else { return false };
        let mut ringing = clock.sleep_until(due);
        let waker = Waker::from(Arc::new(Rings(self.inbox.clone())));
        if ringing.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            return true;
        }
        self.ringing = Some(ringing);
        false
    }

    /// Does what there is to do in one transaction, and answers everybody.
    fn settle(&mut self, turn: &mut Turn) {
        let looks = self.read(mem::take(&mut turn.pages));
        let safety = !self.store.processes.is_alone() && self.looked.elapsed() >= SAFETY;
        if turn.jobs.is_empty() && !looks && !turn.rings && !safety {
            return;
        }
        let mut jobs = mem::take(&mut turn.jobs);
        let lasts = jobs.iter().any(|job| job.lasts());
        let (gone, rouse) = (mem::take(&mut self.gone), mem::take(&mut self.rouse) || looks || safety);
        let (rings, tick) = (turn.rings, self.tick);
        if safety {
            self.looked = Instant::now();
            self.gone = self.store.processes.ping();
        }
        let committed = self.transact(lasts, |store| {
            if !gone.is_empty() {
                store.bury(&gone)?;
            }
            for job in &mut jobs {
                store.look_at_clock(job.made_at());
                job.run(store)?;
            }
            store.look_at_clock(None);
            // a thread that never comes to wait rings all the same
            if rings || store.is_overdue() {
                store.ring()?;
            }
            if !store.watching.is_empty() && store.steady >= tick {
                store.serve(By::Caller)?;
            }
            if rouse {
                store.rouse()?;
            }
            if safety {
                store.look_for_missed()?;
            }
            store.look_for_woken()
        });
        if self.store.steady >= self.tick {
            self.tick = self.store.steady.after(self.store.times.lease);
        }
        for job in jobs {
            job.answer(committed.as_ref().map(drop));
        }
    }

    /// Reads what others told; whether the file must be looked at.
    fn read(&mut self, pages: Vec<Vec<u8>>) -> bool {
        let mut looks = false;
        for page in pages {
            let letter = Letter::read(&page);
            looks |= letter.lines.is_empty() || !letter.wakes.is_empty();
            for line in letter.lines {
                let number = line.number;
                match line.news() {
                    Some(news) => self.store.watching.tell(news),
                    None => self.store.watching.miss(number),
                }
            }
            for call in letter.wakes {
                self.store.was_woken(call);
            }
        }
        looks
    }

    /// One transaction: all of it counts, and what it has to tell is told, or nothing.
    fn transact(&mut self, lasts: bool, act: impl FnOnce(&mut Store) -> Step<()>) -> Result<(), Broken> {
        let committed = self.try_transact(lasts, act);
        match &committed {
            Ok(()) => self.tell(),
            Err(broken) => self.undo(broken),
        }
        committed
    }

    fn try_transact(&mut self, lasts: bool, act: impl FnOnce(&mut Store) -> Step<()>) -> Result<(), Broken> {
        let full = self.syncs && lasts;
        self.level(full)?;
        self.store.begin().map_err(broken)?;
        act(&mut self.store).map_err(broken)?;
        self.store.commit().map_err(broken)?;
        // an end that no call asked for (a deadline, a third crash) must be on the disk too before it is told
        if self.syncs && !full && mem::take(&mut self.store.ended) {
            self.level(true)?;
            self.store.sync().map_err(broken)?;
        }
        Ok(())
    }

    /// Has commits wait for the disk, or not.
    fn level(&mut self, full: bool) -> Result<(), Broken> {
        if full != self.full {
            let level = if full { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
            self.store.sql.execute_batch(level)?;
            self.full = full;
        }
        Ok(())
    }

    /// A transaction is committed: whoever waits for what it did hears of it.
    fn tell(&mut self) {
        let store = &mut self.store;
        for ready in mem::take(&mut store.ready) {
            // a call whose caller has gone gives back what it was given
            let _ = ready.asleep.reply.send(Ok(Given::new(ready.answer, self.inbox.clone())));
        }
        let news = mem::take(&mut store.news);
        store.processes.tell(&news);
        news.into_iter().for_each(|news| store.watching.tell(news));
        if store.rings_sooner() {
            self.gone.extend(store.processes.ring_all());
        }
        let (gone, lost) = store.processes.send();
        self.gone.extend(gone);
        self.rouse |= lost;
    }

    /// A transaction came to nothing: every call that it touched is answered with why.
    fn undo(&mut self, broken: &Broken) {
        let store = &mut self.store;
        store.roll_back();
        let calls = store.ready.drain(..).map(|ready| ready.asleep).collect::<Vec<_>>();
        let asleep = mem::take(&mut store.asleep).into_values();
        for call in calls.into_iter().chain(asleep) {
            let _ = call.reply.send(Err(broken.error()));
        }
    }
}

impl Turn {
    fn add(&mut self, message: Message) {
        match message {
            Message::Job(job) => self.jobs.push(job),
            Message::Page(page) => self.pages.push(page),
            Message::Rang => self.rings = true,
            Message::Close => self.closes = true,
        }
    }
}

fn broken(fault: Fault) -> Broken {
    match fault {
        Fault::Broken(broken) => broken,
        // only the act of one call refuses, and answers for itself
        Fault::Refused(error) => Broken::corrupt(error),
    }
}

/// Hands on what other processes ring, until this one's bell is down.
fn listen(ear: &mut Ear, inbox: &Sender<Message>) {
    while let Some(page) = ear.hear()
        && inbox.send(Message::Page(page.to_vec())).is_ok()
    {}
}

/// Tells the thread that a clock has rung.
struct Rings(Sender<Message>);

impl Wake for Rings {
    fn wake(self: Arc<Self>) {
        // a thread that has stopped waits for nothing
        let _ = self.0.send(Message::Rang);
    }
}
