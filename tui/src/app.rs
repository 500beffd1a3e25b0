//! The loop: one channel of events, one state, and drawing only when something visible changed.

use std::{io, panic, sync::Arc, time::Duration};

use chrono::Utc;
use futures_util::{Stream, StreamExt as _};
use ratatui::{
    Terminal,
    backend::Backend,
    buffer::Buffer,
    crossterm::{
        clipboard::CopyToClipboard,
        event::{
            DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
            Event as Input, EventStream, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent,
            MouseEventKind,
        },
        execute,
    },
    layout::Rect,
};
use signalbox_protocol::api::event::Event as Live;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use crate::{
    client::{Client, Endpoint},
    event::{Action, Answer, Event, Mouse, Net},
    net,
    screens::{self, Hits},
    settings::Settings,
    state::State,
    theme::{Depth, Theme},
};

/// Events that wait for the loop; when it is full the station is read more slowly, and tells
/// how many events it left out.
const EVENTS_MAX: usize = 1_024;
/// Events that are taken before the screen is looked at again.
const EVENTS_AT_ONCE_MAX: usize = 512;
/// Shortest pause between two frames after a key or an answer; what comes later is shown at once.
const FRAME: Duration = Duration::from_millis(5);
/// Shortest pause between two frames when something happens at the station: a node comes or goes,
/// a command is confirmed, an incident fires.
const NEWS_FRAME: Duration = Duration::from_millis(100);
/// Shortest pause between two frames that only measurements or the clock change.
const DATA_FRAME: Duration = Duration::from_secs(1);
/// How long a terminal may take to tell its background.
const BACKGROUND: Duration = Duration::from_millis(400);
/// An answer of the terminal that came too late arrives as a whole within this time; nobody types
/// that fast.
const LATE: Duration = Duration::from_millis(100);

/// Is told the token of a login.
pub type KeepToken = Box<dyn Fn(&Endpoint, &str) + Send>;

/// How to run the terminal.
pub struct Options {
    /// The station, with a session's token if there is one.
    pub client: Client,
    /// Told the token of a login in the terminal.
    pub keep_token: KeepToken,
    /// What the person has chosen.
    pub settings: Settings,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("client", &self.client)
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
    let theme = first_theme(&options.settings)?;
    let mouse = options.settings.mouse;
    let mut terminal = ratatui::try_init()?;
    let restore = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // The panic is what must be seen; the terminal may be gone.
        let _ = execute!(io::stdout(), DisableBracketedPaste, DisableMouseCapture);
        restore(info);
    }));
    execute!(io::stdout(), EnableBracketedPaste)?;
    if mouse {
        execute!(io::stdout(), EnableMouseCapture)?;
    }
    let ended = tokio::select! {
        ended = run_on(&mut terminal, EventStream::new(), options, theme) => ended,
        _ = terminate.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    };
    let pasted = execute!(io::stdout(), DisableBracketedPaste, DisableMouseCapture);
    ratatui::try_restore()?;
    pasted?;
    ended
}

/// The chosen theme, or the one that fits the terminal's background; dark when it does not tell.
fn first_theme(settings: &Settings) -> anyhow::Result<Theme> {
    if let Some(name) = &settings.theme {
        return settings.find_theme(name).map_err(anyhow::Error::msg);
    }
    let mut name = "dark";
    if settings.depth != Depth::None {
        let mut asked = terminal_colorsaurus::QueryOptions::default();
        asked.timeout = BACKGROUND;
        if let Ok(terminal_colorsaurus::ThemeMode::Light) = terminal_colorsaurus::theme_mode(asked)
        {
            name = "light";
        }
    }
    settings.find_theme(name).map_err(anyhow::Error::msg)
}

/// Runs on any terminal, fed with any keys.
///
/// # Errors
/// When the terminal or its keys fail.
pub async fn run_on<B>(
    terminal: &mut Terminal<B>,
    keys: impl Stream<Item = io::Result<Input>> + Unpin,
    options: Options,
    theme: Theme,
) -> anyhow::Result<()>
where
    B: Backend,
    B::Error: Send + Sync + 'static,
{
    let mut app = App::new(options, theme);
    let ended = app.serve(terminal, keys).await;
    app.connection.abort();
    ended
}

struct App {
    keep_token: KeepToken,
    client: Arc<Client>,
    state: State,
    sender: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
    connection: JoinHandle<()>,
    /// Whether received messages are looked at; the connection asks for them only then.
    messages: watch::Sender<bool>,
    theme: Theme,
    /// What is on screen.
    shown: Buffer,
    /// What of it can be clicked.
    hits: Hits,
    /// When a late answer of the terminal began; see [`App::is_late_answer`].
    late: Option<Instant>,
}

impl App {
    fn new(options: Options, theme: Theme) -> Self {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let client = Arc::new(options.client);
        let messages = watch::Sender::new(false);
        let keep = net::keep(client.clone(), sender.clone(), messages.subscribe());
        let connection = tokio::spawn(keep);
        let endpoint = client.endpoint().to_string();
        let state = State::new(endpoint, options.settings, Utc::now());
        Self {
            theme,
            keep_token: options.keep_token,
            client,
            state,
            sender,
            events,
            connection,
            messages,
            shown: Buffer::default(),
            hits: Hits::default(),
            late: None,
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
            let event = tokio::select! {
                biased;
                () = sleep_until(due.unwrap_or(drawn_at)), if due.is_some() => {
                    self.draw(terminal, Rect::from((ratatui::layout::Position::ORIGIN, size)))?;
                    drawn_at = Instant::now();
                    due = None;
                    continue;
                }
                key = keys.next() => match key {
                    Some(Ok(Input::Key(key))) if self.is_late_answer(key) => continue,
                    Some(Ok(Input::Key(key))) => Event::Key(key),
                    Some(Ok(Input::Mouse(mouse))) => match self.mouse(mouse) {
                        Some(mouse) => Event::Mouse(mouse),
                        None => continue,
                    },
                    Some(Ok(Input::Paste(text))) => Event::Paste(text),
                    Some(Ok(Input::Resize(..))) => {
                        size = terminal.size()?;
                        Event::Resize
                    }
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return Err(error.into()),
                    None => return Ok(()),
                },
                event = self.events.recv() => match event {
                    Some(event) => event,
                    None => return Ok(()),
                },
                _ = second.tick() => Event::Tick,
            };
            let Some(pause) = self.take(event) else {
                return Ok(());
            };
            let then = (drawn_at + pause).max(Instant::now());
            due = Some(due.map_or(then, |due| due.min(then)));
        }
    }

    /// Takes an event and those that wait behind it; how long the next frame may wait after the
    /// last one, or `None` when the person leaves.
    fn take(&mut self, first: Event) -> Option<Duration> {
        let mut next = Some(first);
        let mut left = EVENTS_AT_ONCE_MAX;
        let mut soonest = DATA_FRAME;
        while let Some(event) = next.take() {
            soonest = soonest.min(pause(&event));
            if let Event::Net(Net::Answer(answer)) = &event
                && let Answer::LoggedIn(reply) = &**answer
            {
                self.log_in(reply.token.clone());
            }
            for action in self.state.on(event, Utc::now()) {
                let action = match self.carry_out(action) {
                    Ok(true) => return None,
                    Ok(false) => continue,
                    Err(action) => action,
                };
                let (client, sender) = (self.client.clone(), self.sender.clone());
                tokio::spawn(net::act(client, action, sender));
            }
            left -= 1;
            if left > 0 {
                next = self.events.try_recv().ok();
            }
        }
        let wanted = self.state.wants_messages();
        self.messages
            .send_if_modified(|before| std::mem::replace(before, wanted) != wanted);
        Some(soonest)
    }

    /// Does what is the loop's own; gives back what the station is asked for. True ends it.
    fn carry_out(&mut self, action: Action) -> Result<bool, Action> {
        let told = match action {
            Action::Quit => return Ok(true),
            Action::Copy(text) => {
                execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text))
            }
            Action::Mouse(true) => execute!(io::stdout(), EnableMouseCapture),
            Action::Mouse(false) => execute!(io::stdout(), DisableMouseCapture),
            Action::Theme(name) => {
                match self.state.settings.find_theme(&name) {
                    Ok(theme) => self.theme = theme,
                    Err(text) => self.state.say(text, true),
                }
                Ok(())
            }
            action => return Err(action),
        };
        if let Err(error) = told {
            self.state
                .say(format!("the terminal did not take it: {error}"), true);
        }
        Ok(false)
    }

    /// A terminal that told its background too late sends `ESC ] 11 ; … ESC \` as if typed: none
    /// of it may be taken as keys.
    fn is_late_answer(&mut self, key: KeyEvent) -> bool {
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let Some(began) = self.late.filter(|began| began.elapsed() < LATE) else {
            let begins = alt && key.code == KeyCode::Char(']');
            self.late = begins.then(Instant::now);
            return begins;
        };
        let ends =
            (alt && key.code == KeyCode::Char('\\')) || (ctrl && key.code == KeyCode::Char('g'));
        self.late = (!ends).then_some(began);
        true
    }

    fn mouse(&self, mouse: MouseEvent) -> Option<Mouse> {
        let over = self.hits.at(mouse.column, mouse.row);
        let shift = mouse.modifiers.contains(KeyModifiers::SHIFT);
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => over.map(Mouse::Click),
            MouseEventKind::ScrollLeft => Some(Mouse::Sideways { left: true, over }),
            MouseEventKind::ScrollRight => Some(Mouse::Sideways { left: false, over }),
            MouseEventKind::ScrollUp if shift => Some(Mouse::Sideways { left: true, over }),
            MouseEventKind::ScrollDown if shift => Some(Mouse::Sideways { left: false, over }),
            MouseEventKind::ScrollUp => Some(Mouse::Wheel { up: true, over }),
            MouseEventKind::ScrollDown => Some(Mouse::Wheel { up: false, over }),
            _ => None,
        }
    }

    fn log_in(&mut self, token: String) {
        (self.keep_token)(self.client.endpoint(), &token);
        self.client = Arc::new(self.client.with_token(Some(token)));
        self.connection.abort();
        let (client, sender) = (self.client.clone(), self.sender.clone());
        self.connection = tokio::spawn(net::keep(client, sender, self.messages.subscribe()));
    }

    fn draw<B>(&mut self, terminal: &mut Terminal<B>, area: Rect) -> anyhow::Result<()>
    where
        B: Backend,
        B::Error: Send + Sync + 'static,
    {
        self.state.size = (area.width, area.height);
        let mut next = Buffer::empty(area);
        self.hits = screens::draw(&self.state, self.theme, &mut next);
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

/// How long the frame that shows an event may wait after the last one.
fn pause(event: &Event) -> Duration {
    let of_live = |live: &Live| match live {
        Live::Samples { .. } | Live::Message { .. } => DATA_FRAME,
        _ => NEWS_FRAME,
    };
    match event {
        Event::Net(Net::Live(all)) => all.iter().map(of_live).min().unwrap_or(DATA_FRAME),
        Event::Tick => DATA_FRAME,
        _ => FRAME,
    }
}
