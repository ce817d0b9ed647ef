//! Pictures of users: read by their content, made square, and written anew without what cameras and programs add.

use std::{fmt, io::Cursor, sync::Arc};

use bytes::Bytes;
use chrono::TimeDelta;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, imageops::FilterType};
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, path::Path};
use tokio::sync::Semaphore;

use super::{Account, AccountRecords, Accounts, Client, PictureRecord, Pictures};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::UserId,
    store::{Change, ChatStoreExt as _, KeyPart as _, StoreError, TypedKey as _},
    trace::use_case,
};

/// Pictures that are decoded at once. Each takes up to 12 bytes for each of its pixels.
const DECODING: usize = 1;

/// How long an upload may take. An older picture that is not its user's was left behind.
const UPLOAD: TimeDelta = TimeDelta::hours(1);

/// Pictures of a user that are looked for at once.
const CHUNK: u64 = 100;

/// The width and height of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AvatarSize {
    /// 64 pixels.
    Small,
    /// 128 pixels.
    Medium,
    /// 256 pixels.
    Large,
}

impl AvatarSize {
    /// Every size.
    pub const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// The width and the height.
    #[must_use]
    pub const fn pixels(self) -> u32 {
        match self {
            Self::Small => 64,
            Self::Medium => 128,
            Self::Large => 256,
        }
    }
}

/// Where pictures are kept, and the address under which a frontend serves them.
pub(super) struct Avatars {
    store: Arc<dyn ObjectStore>,
    address: String,
    decoding: Arc<Semaphore>,
}

impl fmt::Debug for Avatars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Avatars").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Avatars {
    pub(super) fn new(store: Arc<dyn ObjectStore>, address: String) -> Self {
        Self { store, address, decoding: Arc::new(Semaphore::new(DECODING)) }
    }
}

fn place(id: &str, size: AvatarSize) -> Path {
    Path::from(format!("avatars/{id}/{}.png", size.pixels()))
}

fn failed(error: &object_store::Error) -> Error {
    tracing::error!(%error, "the store of pictures failed");
    Error::Unavailable
}

/// Whether a text is an id of a picture. Nothing else becomes part of a path.
fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

impl Accounts {
    /// Uploads a picture of the caller: JPEG, PNG or GIF by its content, at most 5 MB and 25 million pixels by default. The picture is
    /// cropped to a square and encoded again in three sizes. The new picture replaces the previous picture.
    ///
    /// # Errors
    /// [`PayloadTooLarge`](Code::PayloadTooLarge); [`UnsupportedMediaType`](Code::UnsupportedMediaType) for another content;
    /// [`Invalid`](Error::Invalid) for a picture that is broken or has too many pixels; [`RateLimited`](Error::RateLimited) after too many
    /// uploads; [`NotImplemented`](Code::NotImplemented) where the host stores no pictures.
    pub async fn upload_avatar(&self, principal: &Principal, picture: Bytes) -> Result<Account> {
        use_case!("accounts.upload_avatar", async move {
            self.inner.chat.enter_unscoped(principal, Use::Upload).await?;
            let (user, settings) = (&principal.user_id, &self.inner.settings);
            let avatars = self.avatars()?;
            self.own(user).await?;
            if picture.len() > settings.avatar_bytes {
                let detail = "the picture has too many bytes; send a smaller one";
                return Err(Error::Refused { code: Code::PayloadTooLarge, detail });
            }
            let turn = tokio::time::timeout(settings.hash_wait, Arc::clone(&avatars.decoding).acquire_owned());
            let turn = turn.await.map_err(|_| Error::Unavailable)?.map_err(|_| Error::Unavailable)?;
            let most = settings.avatar_pixels;
            let work = tokio::task::spawn_blocking(move || {
                let done = sizes(&picture, most);
                drop(turn);
                done
            });
            let sizes = work.await.map_err(|error| {
                tracing::error!(%error, "a picture could not be decoded");
                Error::Internal
            })??;
            let id = format!("{:032x}", rand::random::<u128>());
            self.note_picture(user, &id).await?;
            for (size, png) in sizes {
                avatars.store.put(&place(&id, size), PutPayload::from(png)).await.map_err(|error| failed(&error))?;
            }
            let url = format!("{}{id}", avatars.address);
            let changed = self.change(user, |account| {
                account.avatar = Some(id.clone());
                account.avatar_url = Some(url.clone());
            });
            let changed = changed.await;
            let cleaned = match changed {
                Ok(_) | Err(Error::OutcomeUnknown) => self.remove_pictures(user, false).await,
                Err(_) => self.remove_picture(user, &id).await,
            };
            if let Err(error) = cleaned {
                tracing::warn!(%error, "old pictures of a user are not removed yet");
            }
            changed
        })
    }

    /// Notes a picture before it is put. An account that is deleted gets no more of them, so its erasure finds all.
    async fn note_picture(&self, user: &UserId, id: &str) -> Result<()> {
        for _ in 0..self.inner.chat.limits().commit_attempts {
            let account = self.own(user).await?;
            let note = Pictures { user: user.clone(), id: id.to_owned() };
            let writes = vec![
                note.put(PictureRecord { since: self.now() }).absent(),
                AccountRecords { user: user.clone() }.hold(account.version),
            ];
            match self.store().commit(Change::of_records(writes)).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Unavailable)
    }

    /// Removes the caller's picture, also a picture at another address.
    ///
    /// # Errors
    /// As [`update_me`](Self::update_me).
    pub async fn delete_avatar(&self, principal: &Principal) -> Result<Account> {
        use_case!("accounts.delete_avatar", async move {
            self.inner.chat.enter_unscoped(principal, Use::Request).await?;
            self.change(&principal.user_id, |account| (account.avatar, account.avatar_url) = (None, None)).await
        })
    }

    /// An uploaded picture as PNG. The id is the last part of the address of the picture. Any caller that knows the id may read the picture.
    ///
    /// # Errors
    /// [`ResourceNotFound`](Code::ResourceNotFound) for an unknown picture; [`RateLimited`](Error::RateLimited) after too many pictures for
    /// one address.
    pub async fn avatar(&self, client: &Client, id: &str, size: AvatarSize) -> Result<Bytes> {
        use_case!("accounts.avatar", async move {
            self.inner.chat.enter_open_as(client.origin(), Use::Picture).await?;
            let missing = Error::Refused { code: Code::ResourceNotFound, detail: "there is no such picture" };
            if !is_id(id) {
                return Err(missing);
            }
            let found = match self.avatars()?.store.get(&place(id, size)).await {
                Ok(found) => found,
                Err(object_store::Error::NotFound { .. }) => return Err(missing),
                Err(error) => return Err(failed(&error)),
            };
            found.bytes().await.map_err(|error| failed(&error))
        })
    }

    fn avatars(&self) -> Result<&Avatars> {
        let detail = "this server keeps no pictures; name the address of one instead";
        self.inner.avatars.as_ref().ok_or(Error::Refused { code: Code::NotImplemented, detail })
    }

    /// Removes a picture that is its user's no more.
    pub(super) async fn remove_picture(&self, user: &UserId, id: &str) -> Result<()> {
        let avatars = self.avatars()?;
        for size in AvatarSize::ALL {
            match avatars.store.delete(&place(id, size)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(&error)),
            }
        }
        let note = Pictures { user: user.clone(), id: id.to_owned() };
        self.store().commit(Change::of_records(vec![note.remove()])).await?;
        Ok(())
    }

    /// Removes the pictures of a user that were left behind, or with `all` every picture.
    pub(super) async fn remove_pictures(&self, user: &UserId, all: bool) -> Result<()> {
        let mut after: Option<String> = None;
        loop {
            let scan = Pictures::under(vec![user.part()]).after(after.map(|after| vec![after.part()])).limit(CHUNK);
            let found = self.store().list::<Pictures>(scan).await?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            after = Some(last.id.clone());
            let current = self.account(user).await?.and_then(|account| account.value.avatar.clone());
            for (Pictures { id, .. }, picture) in found {
                let is_left = current.as_ref() != Some(&id) && self.now() - picture.value.since > UPLOAD;
                if all || is_left {
                    self.remove_picture(user, &id).await?;
                }
            }
        }
    }
}

/// The picture in each size, as PNG.
fn sizes(picture: &[u8], most: u64) -> Result<Vec<(AvatarSize, Bytes)>> {
    let broken =
        |_| Error::invalid("file", Code::ValidationInvalidValue, "a picture that can be read; this one is broken");
    let format = image::guess_format(picture).ok();
    let Some(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::Gif)) = format else {
        let detail = "send a picture in JPEG, PNG or GIF";
        return Err(Error::Refused { code: Code::UnsupportedMediaType, detail });
    };
    let mut reader = ImageReader::with_format(Cursor::new(picture), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(most.saturating_mul(8));
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        let message = "a picture that can be read; this one has no pixels";
        return Err(Error::invalid("file", Code::ValidationInvalidValue, message));
    }
    if u64::from(width) * u64::from(height) > most {
        return Err(Error::invalid("file", Code::ValidationLengthExceeded, format!("at most {most} pixels")));
    }
    let orientation = decoder.orientation().map_err(broken)?;
    let mut whole = DynamicImage::from_decoder(decoder).map_err(broken)?;
    whole.apply_orientation(orientation);
    let side = whole.width().min(whole.height());
    let (left, top) = ((whole.width() - side) / 2, (whole.height() - side) / 2);
    // 8 bits for each channel, without a profile of colors.
    let square = DynamicImage::ImageRgba8(whole.crop_imm(left, top, side, side).into_rgba8());
    drop(whole);
    let scaled = |size: AvatarSize| {
        let mut png = Cursor::new(Vec::new());
        let scaled = square.resize_exact(size.pixels(), size.pixels(), FilterType::CatmullRom);
        scaled.write_to(&mut png, ImageFormat::Png).map_err(|error| {
            tracing::error!(%error, "a picture could not be written");
            Error::Internal
        })?;
        Ok((size, Bytes::from(png.into_inner())))
    };
    AvatarSize::ALL.into_iter().map(scaled).collect()
}
