//! Answers, and the wish for data.

use super::event::{AnswerError, Refused, Reply, Tag};
use super::slot::{Queue, Slot, Stage};
use super::{Controller, Phase};

impl<R: AsMut<[u8]>, W: AsRef<[u8]>> Controller<R, W> {
    /// Answers a command. If its data are being fetched, no more of them are asked for, and the answer is sent as soon as those that were
    /// asked for have come: the host could not tell them from data for the next command.
    ///
    /// # Errors
    /// [`AnswerError::Over`].
    #[inline]
    pub fn respond(&mut self, tag: Tag, reply: Reply) -> Result<(), AnswerError> {
        let entry = self.open(tag)?;
        if !matches!(entry.stage, Stage::Open | Stage::Fetching) {
            return Err(AnswerError::Over);
        }
        entry.stage = Stage::Answering(reply);
        if let Some(queue) = entry.connect {
            self.connected(queue, reply);
        }
        self.work.push(tag.slot);
        Ok(())
    }

    /// Connect is answered.
    #[cold]
    fn connected(&mut self, queue: Queue, reply: Reply) {
        self.connecting = false;
        if reply.status.is_success() {
            self.queue = Some(queue);
            self.entries = queue.entries;
            self.renew_terms();
        }
    }

    /// Sends data to the host, then the answer. The buffer comes back by [`Event::Released`](super::Event::Released).
    ///
    /// Fewer bytes than the command asks for may be sent. Hosts take that for an error when the answer is a success.
    ///
    /// # Errors
    /// The buffer with the reason: [`AnswerError::Over`], [`AnswerError::TooMuchData`], or [`AnswerError::Fetching`] if data were fetched for
    /// this command.
    #[inline]
    pub fn respond_with_data(&mut self, tag: Tag, buffer: W, reply: Reply) -> Result<(), Refused<W>> {
        let have = buffer.as_ref().len();
        let Ok(entry) = self.open(tag) else { return Err(Refused { reason: AnswerError::Over, buffer }) };
        match u32::try_from(have) {
            Ok(len) if matches!(entry.stage, Stage::Open) && entry.asked == 0 && len <= entry.transfer => {
                entry.send = Some(buffer);
                entry.send_len = len;
                entry.stage = Stage::Answering(reply);
                if let Some(queue) = entry.connect {
                    self.connected(queue, reply);
                }
                self.work.push(tag.slot);
                Ok(())
            }
            _ => Err(Refused { reason: entry.refusal(have), buffer }),
        }
    }

    /// Asks the host for the command's data, into `buffer`. They come with [`Event::Fetched`](super::Event::Fetched).
    ///
    /// # Errors
    /// The buffer with the reason: [`AnswerError::Over`], [`AnswerError::NothingToFetch`], [`AnswerError::Fetching`],
    /// [`AnswerError::BufferTooSmall`].
    #[inline]
    pub fn fetch(&mut self, tag: Tag, mut buffer: R) -> Result<(), Refused<R>> {
        let have = buffer.as_mut().len();
        let admitted = self.open(tag).and_then(|entry| match entry.stage {
            Stage::Open if entry.asked > 0 => Err(AnswerError::Fetching),
            Stage::Open if !entry.fetchable => Err(AnswerError::NothingToFetch),
            Stage::Open => match u32::try_from(have) {
                Ok(len) if len < entry.transfer => {
                    Err(AnswerError::BufferTooSmall { need: entry.transfer, have })
                }
                _ => Ok(entry),
            },
            Stage::Fetching => Err(AnswerError::Fetching),
            _ => Err(AnswerError::Over),
        });
        match admitted {
            Ok(entry) => {
                entry.fetch = Some(buffer);
                entry.stage = Stage::Fetching;
                self.work.push(tag.slot);
                Ok(())
            }
            Err(reason) => Err(Refused { reason, buffer }),
        }
    }

    /// The slot of a command that is not over.
    #[inline(always)]
    fn open(&mut self, tag: Tag) -> Result<&mut Slot<R, W>, AnswerError> {
        if self.phase != Phase::Ready {
            return Err(AnswerError::Over);
        }
        match self.slots.get_mut(usize::from(tag.slot)) {
            Some(entry) if entry.serial == tag.serial && entry.stage != Stage::Free => Ok(entry),
            _ => Err(AnswerError::Over),
        }
    }
}
