//! Frames of a WebSocket (RFC 6455, section 5): the decoder of client frames, and the heads of server frames.

#![allow(clippy::result_large_err, reason = "the error is the library's, as the frontends take it")]

use bytes::{Bytes, BytesMut};
use tokio_tungstenite::tungstenite::{
    self, Message, Utf8Bytes,
    error::{CapacityError, ProtocolError},
    protocol::{
        CloseFrame,
        frame::coding::{CloseCode, Control, Data, OpCode},
    },
};

/// The longest payload of a control frame (RFC 6455, section 5.5).
const LONGEST_CONTROL: usize = 125;

/// A text message of the server, with the head of its frame. Clones share the frame, so that one encoding serves all receivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFrame(Bytes);

impl TextFrame {
    /// Makes the frame of a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut frame = Vec::with_capacity(text.len() + 10);
        push_head(&mut frame, Data::Text.into(), text.len());
        frame.extend_from_slice(text.as_bytes());
        Self(frame.into())
    }

    /// The size in bytes, including the head.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// The number of a kind of frame.
struct Code(u8);

impl From<Data> for Code {
    fn from(data: Data) -> Self {
        Self(OpCode::Data(data).into())
    }
}

impl From<Control> for Code {
    fn from(control: Control) -> Self {
        Self(OpCode::Control(control).into())
    }
}

/// The head of a frame that is a whole message, without a mask.
fn push_head(frame: &mut Vec<u8>, Code(code): Code, length: usize) {
    frame.push(0x80 | code);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ ..=125), _) => frame.push(length),
        (_, Ok(length)) => {
            frame.push(126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        (_, Err(_)) => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// A message of the server as a head and a payload, which is not copied.
pub(crate) fn encode(message: Message) -> (Bytes, Bytes) {
    let (code, payload): (Code, Bytes) = match message {
        Message::Text(text) => (Data::Text.into(), text.into()),
        Message::Binary(payload) => (Data::Binary.into(), payload),
        Message::Ping(payload) => (Control::Ping.into(), payload),
        Message::Pong(payload) => (Control::Pong.into(), payload),
        Message::Close(frame) => (Control::Close.into(), frame.map(close_payload).unwrap_or_default()),
        // The library gives none, and a frame of its own making has its head already.
        Message::Frame(frame) => (Code(frame.header().opcode.into()), frame.into_payload()),
    };
    let mut head = Vec::with_capacity(10);
    push_head(&mut head, code, payload.len());
    (head.into(), payload)
}

/// A control frame, or another one with a short payload.
pub(crate) fn short(message: Message) -> Bytes {
    let (head, payload) = encode(message);
    if payload.is_empty() { head } else { [head, payload].concat().into() }
}

fn close_payload(CloseFrame { code, reason }: CloseFrame) -> Bytes {
    [&u16::from(code).to_be_bytes(), reason.as_bytes()].concat().into()
}

/// Reads the messages of a client. It keeps what is not whole yet, and nothing else.
#[derive(Debug)]
pub(crate) struct Decoder {
    unread: BytesMut,
    message: Option<Partial>,
    /// The longest message, in bytes.
    most: usize,
}

/// A message of which more fragments come.
#[derive(Debug)]
struct Partial {
    is_text: bool,
    payload: BytesMut,
    /// How much of a text is known to be UTF-8.
    valid: usize,
}

/// The head of a client's frame.
struct Head {
    is_last: bool,
    code: OpCode,
    mask: [u8; 4],
    /// Of the head and of the payload.
    lengths: (usize, usize),
}

impl Decoder {
    pub(crate) fn new(most: usize) -> Self {
        Self { unread: BytesMut::new(), message: None, most }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next message, or a control frame; `None` where it is not whole yet.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, tungstenite::Error> {
        loop {
            let Some(head) = head(&self.unread, self.most)? else { break };
            let (before, length) = head.lengths;
            if self.unread.len() < before.saturating_add(length) {
                break;
            }
            drop(self.unread.split_to(before));
            let mut payload = self.unread.split_to(length);
            unmask(&mut payload, head.mask);
            if self.unread.is_empty() {
                // An idle socket has no buffer.
                self.unread = BytesMut::new();
            }
            if let Some(message) = self.take(&head, payload)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Takes a frame; the message that it completes.
    fn take(&mut self, head: &Head, payload: BytesMut) -> Result<Option<Message>, tungstenite::Error> {
        let is_text = match head.code {
            OpCode::Control(Control::Ping) => return Ok(Some(Message::Ping(payload.freeze()))),
            OpCode::Control(Control::Pong) => return Ok(Some(Message::Pong(payload.freeze()))),
            OpCode::Control(Control::Close) => return closing(&payload).map(|frame| Some(Message::Close(frame))),
            OpCode::Control(Control::Reserved(code)) => {
                return Err(ProtocolError::UnknownControlFrameType(code).into());
            }
            OpCode::Data(Data::Reserved(code)) => return Err(ProtocolError::UnknownDataFrameType(code).into()),
            OpCode::Data(Data::Continue) => return self.go_on(head.is_last, &payload),
            OpCode::Data(Data::Text) => true,
            OpCode::Data(Data::Binary) => false,
        };
        if self.message.is_some() {
            let data = if is_text { Data::Text } else { Data::Binary };
            return Err(ProtocolError::ExpectedFragment(data).into());
        }
        let mut message = Partial { is_text, payload, valid: 0 };
        if head.is_last {
            return message.complete().map(Some);
        }
        message.check()?;
        self.message = Some(message);
        Ok(None)
    }

    /// Takes a further fragment.
    fn go_on(&mut self, is_last: bool, payload: &[u8]) -> Result<Option<Message>, tungstenite::Error> {
        let mut message = self.message.take().ok_or(ProtocolError::UnexpectedContinueFrame)?;
        let size = message.payload.len().saturating_add(payload.len());
        if size > self.most {
            return Err(CapacityError::MessageTooLong { size, max_size: self.most }.into());
        }
        message.payload.extend_from_slice(payload);
        if is_last {
            return message.complete().map(Some);
        }
        message.check()?;
        self.message = Some(message);
        Ok(None)
    }
}

impl Partial {
    /// Refuses what no further fragment can make a text.
    fn check(&mut self) -> Result<(), tungstenite::Error> {
        if !self.is_text {
            return Ok(());
        }
        match std::str::from_utf8(self.payload.get(self.valid..).unwrap_or_default()) {
            Ok(text) => self.valid += text.len(),
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn complete(self) -> Result<Message, tungstenite::Error> {
        Ok(if self.is_text {
            Message::Text(Utf8Bytes::try_from(self.payload)?)
        } else {
            Message::Binary(self.payload.freeze())
        })
    }
}

/// The head at the beginning of these bytes; `None` where it is not whole yet.
fn head(bytes: &[u8], most: usize) -> Result<Option<Head>, tungstenite::Error> {
    let Some((&[first, second], rest)) = bytes.split_first_chunk() else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err(ProtocolError::NonZeroReservedBits.into());
    }
    if second & 0x80 == 0 {
        return Err(ProtocolError::UnmaskedFrameFromClient.into());
    }
    let (is_last, code) = (first & 0x80 != 0, OpCode::from(first & 0x0f));
    let length = match second & 0x7f {
        126 => rest.split_first_chunk().map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest)),
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest)),
        length => Some((u64::from(length), rest)),
    };
    let Some((length, rest)) = length else { return Ok(None) };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    match code {
        OpCode::Control(Control::Reserved(code)) => return Err(ProtocolError::UnknownControlFrameType(code).into()),
        OpCode::Data(Data::Reserved(code)) => return Err(ProtocolError::UnknownDataFrameType(code).into()),
        OpCode::Control(_) if !is_last => return Err(ProtocolError::FragmentedControlFrame.into()),
        OpCode::Control(_) if length > LONGEST_CONTROL => return Err(ProtocolError::ControlFrameTooBig.into()),
        OpCode::Control(_) => {}
        OpCode::Data(_) if length > most => {
            return Err(CapacityError::MessageTooLong { size: length, max_size: most }.into());
        }
        OpCode::Data(_) => {}
    }
    let Some((mask, rest)) = rest.split_first_chunk() else { return Ok(None) };
    Ok(Some(Head { is_last, code, mask: *mask, lengths: (bytes.len() - rest.len(), length) }))
}

/// Takes the mask off (RFC 6455, section 5.3).
fn unmask(payload: &mut [u8], [a, b, c, d]: [u8; 4]) {
    let mask = [a, b, c, d, a, b, c, d];
    for chunk in payload.chunks_mut(mask.len()) {
        for (byte, mask) in chunk.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
}

/// What a close frame says (RFC 6455, sections 5.5.1 and 7.4).
fn closing(payload: &[u8]) -> Result<Option<CloseFrame>, tungstenite::Error> {
    if payload.is_empty() {
        return Ok(None);
    }
    let (code, reason) = payload.split_first_chunk().ok_or(ProtocolError::InvalidCloseSequence)?;
    let code = CloseCode::from(u16::from_be_bytes(*code));
    if !code.is_allowed() {
        return Err(ProtocolError::InvalidCloseSequence.into());
    }
    let reason = std::str::from_utf8(reason)?;
    Ok(Some(CloseFrame { code, reason: reason.into() }))
}
