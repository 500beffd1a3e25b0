//! What people and programs ask for, each kind handed to its file; nodes and commands here.

use chrono::{DateTime, Utc};
use signalbox_protocol::api::command::{
    Command, CommandAccepted, NewCommand, NewTimedCommand, Origin,
};

use super::{Request, RequestError, draft::Draft, orders::Order, state::State};
use crate::commands::check::{self, When};

/// Sends the answer to whoever asked: after the commit, or with why there was none.
pub(super) type Answer = Box<dyn FnOnce(Option<RequestError>) + Send>;

macro_rules! answered {
    ($result:expr, $reply:expr) => {{
        let result = $result;
        // Who asked may have gone away meanwhile.
        Box::new(move |failed: Option<RequestError>| {
            drop($reply.send(failed.map_or(result, Err)));
        })
    }};
}

impl Request {
    /// Answers that it cannot be carried out.
    pub(super) fn refuse(self, error: RequestError) {
        // Who asked may have gone away meanwhile.
        match self {
            Self::AddCommand { reply, .. } | Self::CancelCommand { reply, .. } => {
                drop(reply.send(Err(error)));
            }
            Self::AddTimedCommand { reply, .. } => drop(reply.send(Err(error))),
            Self::AddRule { reply, .. } | Self::PatchRule { reply, .. } => {
                drop(reply.send(Err(error)));
            }
            Self::SetNodeConfig { reply, .. } => drop(reply.send(Err(error))),
            Self::AckIncident { reply, .. } => drop(reply.send(Err(error))),
            Self::AddSilence { reply, .. } | Self::EndSilence { reply, .. } => {
                drop(reply.send(Err(error)));
            }
            Self::PatchSchedule { reply, .. } => drop(reply.send(Err(error))),
            Self::DeleteSchedule { reply, .. }
            | Self::DeleteRule { reply, .. }
            | Self::NodeAdded { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}

impl State {
    /// Carries a request out; the answer waits for the commit.
    pub(super) fn request(
        &mut self,
        request: Request,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Answer {
        match request {
            Request::AddCommand { new, by, reply } => {
                answered!(self.add_command(new, by, now, draft), reply)
            }
            Request::AddTimedCommand { new, by, reply } => {
                answered!(self.add_timed(new, by, now, draft), reply)
            }
            Request::CancelCommand { id, by, reply } => {
                answered!(self.cancel(&id, &by, now, draft), reply)
            }
            Request::PatchSchedule {
                id,
                patch,
                by,
                reply,
            } => {
                answered!(self.patch_schedule(&id, patch, &by, now, draft), reply)
            }
            Request::DeleteSchedule { id, by, reply } => {
                answered!(self.delete_schedule(&id, &by, draft), reply)
            }
            Request::AddRule { new, by, reply } => {
                answered!(self.add_rule(&new, by, now, draft), reply)
            }
            Request::PatchRule {
                id,
                patch,
                by,
                reply,
            } => {
                answered!(self.patch_rule(&id, &patch, &by, now, draft), reply)
            }
            Request::DeleteRule { id, by, reply } => {
                answered!(self.delete_rule(&id, &by, now, draft), reply)
            }
            Request::AckIncident { id, ack, by, reply } => {
                answered!(self.acknowledge(&id, ack, by, now, draft), reply)
            }
            Request::AddSilence { new, by, reply } => {
                answered!(self.add_silence(new, by, now, draft), reply)
            }
            Request::EndSilence { id, by, reply } => {
                answered!(self.end_silence(&id, &by, now, draft), reply)
            }
            Request::SetNodeConfig {
                node,
                new,
                by,
                reply,
            } => {
                answered!(self.set_config(&node, new, by, now, draft), reply)
            }
            Request::NodeAdded { name, reply } => {
                answered!(self.add_node(&name, draft), reply)
            }
        }
    }

    fn add_node(&mut self, name: &str, draft: &mut Draft) -> Result<(), RequestError> {
        check::target(name, "x", None)?;
        if self.know_node(name, draft) {
            draft.status.insert(name.to_owned());
            Ok(())
        } else {
            Err(RequestError::TooMany {
                what: "nodes",
                max: super::state::NODES_MAX,
            })
        }
    }

    fn add_command(
        &mut self,
        new: NewCommand,
        by: String,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Command, RequestError> {
        check::target(&new.node, &new.actuator, new.reason.as_deref())?;
        let order = Order {
            node: new.node,
            actuator: new.actuator,
            action: new.action,
            for_ms: None,
            origin: Origin::User { username: by },
            reason: new.reason,
            not_before: None,
        };
        self.order(order, now, draft)
    }

    fn add_timed(
        &mut self,
        new: NewTimedCommand,
        by: String,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<CommandAccepted, RequestError> {
        check::target(&new.node, &new.actuator, new.reason.as_deref())?;
        let for_ms = check::for_ms(new.action, new.duration_s)?;
        match check::when(&new, self.settings.tz, now)? {
            When::Once(not_before) => {
                let order = Order {
                    node: new.node,
                    actuator: new.actuator,
                    action: new.action,
                    for_ms,
                    origin: Origin::User { username: by },
                    reason: new.reason,
                    not_before,
                };
                let command = self.order(order, now, draft)?;
                Ok(CommandAccepted {
                    id: command.id,
                    state: command.state,
                    next_at: None,
                })
            }
            When::Cron(cron, text, tz) => self.add_schedule(new, (&cron, text, tz), by, now, draft),
        }
    }
}
