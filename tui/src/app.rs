//! The loop: one channel of events, one state, and drawing only when something visible changed.

use std::{io, panic, sync::Arc, time::Duration};

use chrono::Utc;
use futures_util::{Stream, StreamExt as _};
use ratatui::{
    Terminal,
    backend::Backend,
    buffer::Buffer,
    crossterm::{
        event::{DisableBracketedPaste, EnableBracketedPaste, Event as Input, EventStream},
        execute,
    },
    layout::Rect,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use crate::{
    client::{Client, Endpoint},
    event::{Action, Answer, Event, Net},
    net, screens,
    state::State,
    theme::Theme,
};

/// Events that wait for the loop; when it is full the station is read more slowly, and tells
/// how many events it left out.
const EVENTS_MAX: usize = 1_024;
/// Events that are taken before the screen is looked at again.
const EVENTS_AT_ONCE_MAX: usize = 512;
/// Shortest pause between two frames after a key: ten frames a second.
const FRAME: Duration = Duration::from_millis(100);
/// Shortest pause between two frames that only data changes.
const DATA_FRAME: Duration = Duration::from_millis(500);

/// Is told the token of a login.
pub type KeepToken = Box<dyn Fn(&Endpoint, &str) + Send>;

/// How to run the terminal.
pub struct Options {
    /// The station.
    pub endpoint: Endpoint,
    /// A session's token, if there is one.
    pub token: Option<String>,
    /// Told the token of a login in the terminal.
    pub keep_token: KeepToken,
    /// Whether colours are wanted.
    pub colour: bool,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// Runs in this terminal until the person leaves or the program is told to end (SIGTERM, SIGHUP),
/// and restores it, also after a panic.
///
/// # Errors
/// When the terminal cannot be used.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let mut told = [
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    ];
    let [terminate, hangup] = &mut told;
    let mut terminal = ratatui::try_init()?;
    let restore = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // The panic is what must be seen; the terminal may be gone.
        let _ = execute!(io::stdout(), DisableBracketedPaste);
        restore(info);
    }));
    execute!(io::stdout(), EnableBracketedPaste)?;
    let ended = tokio::select! {
        ended = run_on(&mut terminal, EventStream::new(), options) => ended,
        _ = terminate.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    };
    let pasted = execute!(io::stdout(), DisableBracketedPaste);
    ratatui::try_restore()?;
    pasted?;
    ended
}

/// Runs on any terminal, fed with any keys.
///
/// # Errors
/// When the terminal or its keys fail.
pub async fn run_on<B>(
    terminal: &mut Terminal<B>,
    keys: impl Stream<Item = io::Result<Input>> + Unpin,
    options: Options,
) -> anyhow::Result<()>
where
    B: Backend,
    B::Error: Send + Sync + 'static,
{
    let mut app = App::new(options);
    let ended = app.serve(terminal, keys).await;
    app.connection.abort();
    ended
}

struct App {
    options: Options,
    client: Arc<Client>,
    state: State,
    sender: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
    connection: JoinHandle<()>,
    theme: Theme,
    /// What is on screen.
    shown: Buffer,
}

impl App {
    fn new(options: Options) -> Self {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let client = Arc::new(Client::new(options.endpoint.clone(), options.token.clone()));
        let connection = tokio::spawn(net::keep(client.clone(), sender.clone()));
        let state = State::new(options.endpoint.to_string(), Utc::now());
        Self {
            theme: Theme::new(options.colour),
            options,
            client,
            state,
            sender,
            events,
            connection,
            shown: Buffer::default(),
        }
    }

    async fn serve<B>(
        &mut self,
        terminal: &mut Terminal<B>,
        mut keys: impl Stream<Item = io::Result<Input>> + Unpin,
    ) -> anyhow::Result<()>
    where
        B: Backend,
        B::Error: Send + Sync + 'static,
    {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut size = terminal.size()?;
        let mut drawn_at = Instant::now() - FRAME;
        let mut due = Some(Instant::now());
        loop {
            let (event, pause) = tokio::select! {
                biased;
                () = sleep_until(due.unwrap_or(drawn_at)), if due.is_some() => {
                    self.draw(terminal, Rect::from((ratatui::layout::Position::ORIGIN, size)))?;
                    drawn_at = Instant::now();
                    due = None;
                    continue;
                }
                key = keys.next() => match key {
                    Some(Ok(Input::Key(key))) => (Event::Key(key), FRAME),
                    Some(Ok(Input::Paste(text))) => (Event::Paste(text), FRAME),
                    Some(Ok(Input::Resize(..))) => {
                        size = terminal.size()?;
                        (Event::Resize, FRAME)
                    }
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return Err(error.into()),
                    None => return Ok(()),
                },
                event = self.events.recv() => match event {
                    Some(event) => (event, DATA_FRAME),
                    None => return Ok(()),
                },
                _ = second.tick() => (Event::Tick, FRAME),
            };
            if self.take(event) {
                return Ok(());
            }
            let then = (drawn_at + pause).max(Instant::now());
            due = Some(due.map_or(then, |due| due.min(then)));
        }
    }

    /// Takes an event and those that wait behind it; true when the person leaves.
    fn take(&mut self, first: Event) -> bool {
        let mut next = Some(first);
        let mut left = EVENTS_AT_ONCE_MAX;
        while let Some(event) = next.take() {
            if let Event::Net(Net::Answer(answer)) = &event
                && let Answer::LoggedIn(reply) = &**answer
            {
                self.log_in(reply.token.clone());
            }
            for action in self.state.on(event, Utc::now()) {
                if action == Action::Quit {
                    return true;
                }
                let (client, sender) = (self.client.clone(), self.sender.clone());
                tokio::spawn(net::act(client, action, sender));
            }
            left -= 1;
            if left > 0 {
                next = self.events.try_recv().ok();
            }
        }
        false
    }

    fn log_in(&mut self, token: String) {
        (self.options.keep_token)(&self.options.endpoint, &token);
        self.client = Arc::new(Client::new(self.options.endpoint.clone(), Some(token)));
        self.connection.abort();
        self.connection = tokio::spawn(net::keep(self.client.clone(), self.sender.clone()));
    }

    fn draw<B>(&mut self, terminal: &mut Terminal<B>, area: Rect) -> anyhow::Result<()>
    where
        B: Backend,
        B::Error: Send + Sync + 'static,
    {
        self.state.width = area.width;
        let mut next = Buffer::empty(area);
        screens::draw(&self.state, self.theme, &mut next);
        if next == self.shown {
            return Ok(());
        }
        terminal.draw(|frame| {
            // After a resize in between, the next event draws again.
            if frame.area() == area {
                frame.buffer_mut().clone_from(&next);
            }
        })?;
        self.shown = next;
        Ok(())
    }
}
