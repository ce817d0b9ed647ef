//! Pictures of users: read by their content, made square, and written anew without what cameras and programs add.

use std::{fmt, io::Cursor, sync::Arc};

use bytes::Bytes;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, imageops::FilterType};
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, path::Path};
use tokio::sync::Semaphore;

use super::{Account, Accounts};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
};

/// Pictures that are decoded at once. Each takes up to 8 bytes for each of its pixels.
const DECODING: usize = 2;

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

    /// The width, which is the height, too.
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
    /// Gives the caller a picture: JPEG, PNG or GIF by its content, at most 5 MB and 25 million pixels by default. It is cut to a square and
    /// written anew in three sizes. The former picture is removed.
    ///
    /// # Errors
    /// [`PayloadTooLarge`](Code::PayloadTooLarge); [`UnsupportedMediaType`](Code::UnsupportedMediaType) for another content;
    /// [`Invalid`](Error::Invalid) for a picture that is broken or has too many pixels; [`RateLimited`](Error::RateLimited) after too many
    /// uploads; [`NotImplemented`](Code::NotImplemented) where the host keeps no pictures.
    pub async fn upload_avatar(&self, principal: &Principal, picture: Bytes) -> Result<Account> {
        self.inner.chat.enter(principal, Use::Upload).await?;
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
        for (size, png) in sizes {
            avatars.store.put(&place(&id, size), PutPayload::from(png)).await.map_err(|error| failed(&error))?;
        }
        let former = self.own(user).await?.value.avatar.clone();
        let url = format!("{}{id}", avatars.address);
        let changed = self.change(user, |account| {
            account.avatar = Some(id.clone());
            account.avatar_url = Some(url.clone());
        });
        match changed.await {
            Ok(account) => {
                self.remove_avatar(former.as_deref()).await;
                Ok(account)
            }
            Err(Error::OutcomeUnknown) => Err(Error::OutcomeUnknown),
            Err(error) => {
                self.remove_avatar(Some(&id)).await;
                Err(error)
            }
        }
    }

    /// Takes the caller's picture away, also one at another address.
    ///
    /// # Errors
    /// As [`update_me`](Self::update_me).
    pub async fn delete_avatar(&self, principal: &Principal) -> Result<Account> {
        self.inner.chat.enter(principal, Use::Request).await?;
        let user = &principal.user_id;
        let former = self.own(user).await?.value.avatar.clone();
        let account = self.change(user, |account| (account.avatar, account.avatar_url) = (None, None)).await?;
        self.remove_avatar(former.as_deref()).await;
        Ok(account)
    }

    /// An uploaded picture as PNG. The id is the last part of the address of the picture. Any caller that knows the id may read the picture.
    ///
    /// # Errors
    /// [`ResourceNotFound`](Code::ResourceNotFound) where there is no such picture.
    pub async fn avatar(&self, id: &str, size: AvatarSize) -> Result<Bytes> {
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
    }

    fn avatars(&self) -> Result<&Avatars> {
        let detail = "this server keeps no pictures; name the address of one instead";
        self.inner.avatars.as_ref().ok_or(Error::Refused { code: Code::NotImplemented, detail })
    }

    /// Removes a picture. One that cannot be removed stays, and the log says so.
    pub(super) async fn remove_avatar(&self, id: Option<&str>) {
        let (Some(avatars), Some(id)) = (&self.inner.avatars, id) else { return };
        for size in AvatarSize::ALL {
            match avatars.store.delete(&place(id, size)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => tracing::warn!(%error, id, "a picture could not be removed"),
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
