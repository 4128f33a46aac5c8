//! A message on its way, so that sending it can be waited for beside other things and given up in between.

use std::task::{Context, Poll, ready};

use futures::{Sink, SinkExt as _};
use tokio_tungstenite::tungstenite::{self, Message};

/// What is on its way to the service.
pub enum Outgoing {
    Nothing,
    Message(Message),
    /// Handed over, but not all of it to the system.
    Flush,
    /// The connection takes nothing more.
    Broken,
}

impl Outgoing {
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    pub fn is_something(&self) -> bool {
        matches!(self, Self::Message(_) | Self::Flush)
    }

    /// Hands the message over. Can be dropped while it waits, and called again: nothing is lost or doubled.
    pub fn poll_send(
        &mut self,
        sink: &mut (impl Sink<Message, Error = tungstenite::Error> + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<tungstenite::Result<()>> {
        if let Self::Message(_) = self {
            ready!(sink.poll_ready_unpin(context))?;
            if let Self::Message(message) = std::mem::replace(self, Self::Flush) {
                sink.start_send_unpin(message)?;
            }
        }
        sink.poll_flush_unpin(context)
    }
}
