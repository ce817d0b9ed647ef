use std::io::Cursor;

use bytes::Bytes;
use chatcore::{
    ChatStore as _,
    accounts::{AvatarSize, Erasures, PictureRecord, Pictures, UpdateAccount},
    store::{Change, TypedKey as _},
};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};

use super::*;

struct Gallery {
    world: World,
    accounts: Accounts,
    pictures: Arc<InMemory>,
    caller: Principal,
}

impl Gallery {
    async fn new(settings: AccountSettings) -> Self {
        Self::with_rates(settings, RateLimits::off()).await
    }

    async fn with_rates(settings: AccountSettings, rates: RateLimits) -> Self {
        let world = World::with_rates(self::settings(), rates);
        let caller = world.caller(&world.register("ada").await).await;
        let pictures = Arc::new(InMemory::new());
        let issuer = JwtIssuer::hs256(SECRET).unwrap();
        let builder = Accounts::builder(world.chat.clone(), issuer).settings(settings);
        let accounts = builder.avatars(Arc::clone(&pictures) as Arc<dyn ObjectStore>, "/pictures/").build().unwrap();
        Self { world, accounts, pictures, caller }
    }

    async fn kept(&self) -> usize {
        use futures_util::StreamExt as _;
        self.pictures.list(None).count().await
    }
}

/// A picture of two halves: red on the left, blue on the right.
fn picture(width: u32, height: u32, format: ImageFormat) -> Bytes {
    let color = |x: u32| if x * 2 < width { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) };
    let image = DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, _| color(x)));
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner().into()
}

#[tokio::test]
async fn a_picture_becomes_a_square_in_three_sizes() {
    let gallery = Gallery::new(settings()).await;
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif] {
        let account = gallery.accounts.upload_avatar(&gallery.caller, picture(300, 100, format)).await.unwrap();
        let url = account.avatar_url.unwrap();
        let id = url.strip_prefix("/pictures/").unwrap();
        for size in AvatarSize::ALL {
            let png = gallery.accounts.avatar(&here(), id, size).await.unwrap();
            assert_eq!(image::guess_format(&png).unwrap(), ImageFormat::Png);
            let image = image::load_from_memory(&png).unwrap().into_rgb8();
            assert_eq!((image.width(), image.height()), (size.pixels(), size.pixels()));
            // The middle of the picture is kept.
            let (left, right) = (image.get_pixel(2, 5).0, image.get_pixel(size.pixels() - 3, 5).0);
            assert!(left[0] > 200 && left[2] < 60 && right[2] > 200 && right[0] < 60, "{left:?} {right:?}");
        }
        // The former picture is gone.
        assert_eq!(gallery.kept().await, 3);
        assert_eq!(gallery.world.chat.me(&gallery.caller).await.unwrap().picture.unwrap(), url);
    }
    let account = gallery.accounts.delete_avatar(&gallery.caller).await.unwrap();
    assert_eq!((account.avatar_url, gallery.kept().await), (None, 0));
}

#[tokio::test]
async fn what_a_camera_adds_is_not_kept_and_its_orientation_is_followed() {
    let gallery = Gallery::new(settings()).await;
    let jpeg = picture(64, 64, ImageFormat::Jpeg);
    // An Exif segment with orientation 3 (turned by 180 degrees), and a text that stands for a place.
    let tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0SECRETPLACE";
    let mut exif = b"Exif\0\0".to_vec();
    exif.extend_from_slice(tiff);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    let bytes = [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat();
    let account = gallery.accounts.upload_avatar(&gallery.caller, bytes.into()).await.unwrap();
    let url = account.avatar_url.unwrap();
    let png = gallery.accounts.avatar(&here(), &url["/pictures/".len()..], AvatarSize::Small).await.unwrap();
    assert!(!png.windows(6).any(|window| window == b"SECRET"));
    let image = image::load_from_memory(&png).unwrap().into_rgb8();
    assert!(image.get_pixel(2, 5).0[2] > 200, "blue is on the left now");
}

#[tokio::test]
async fn what_is_no_acceptable_picture_is_refused() {
    let small = AccountSettings { avatar_bytes: 20_000, avatar_pixels: 10_000, ..settings() };
    let gallery = Gallery::new(small).await;
    let png = picture(50, 50, ImageFormat::Png);
    // A screen without pixels, with a frame that has one.
    let mut nothing = b"GIF89a\0\0\0\0\x80\0\0\xff\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;".to_vec();
    let empty = Bytes::from(nothing.clone());
    // A frame that is larger than its screen, by far.
    nothing[6..10].copy_from_slice(&[1, 0, 1, 0]);
    nothing[24..28].copy_from_slice(&[0xff; 4]);
    let cases: [(Bytes, Code); 8] = [
        (empty, Code::ValidationInvalidValue),
        (nothing.into(), Code::ValidationInvalidValue),
        (Bytes::new(), Code::UnsupportedMediaType),
        (Bytes::from_static(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), Code::UnsupportedMediaType),
        (Bytes::from_static(b"RIFF\0\0\0\0WEBPVP8 "), Code::UnsupportedMediaType),
        (png.slice(..png.len() / 2), Code::ValidationInvalidValue),
        (picture(101, 100, ImageFormat::Png), Code::ValidationLengthExceeded),
        (Bytes::from(vec![0; 20_001]), Code::PayloadTooLarge),
    ];
    for (bytes, code) in cases {
        let error = gallery.accounts.upload_avatar(&gallery.caller, bytes).await.unwrap_err();
        assert_eq!(error.code(), code, "{error:?}");
    }
    assert_eq!(gallery.kept().await, 0);
    gallery.accounts.upload_avatar(&gallery.caller, picture(100, 100, ImageFormat::Png)).await.unwrap();
    for id in ["", "x", "../../etc/passwd", &"0".repeat(32), &"g".repeat(32)] {
        let error = gallery.accounts.avatar(&here(), id, AvatarSize::Large).await.unwrap_err();
        assert_eq!(error.code(), Code::ResourceNotFound, "{id}");
    }
}

#[tokio::test]
async fn uploads_are_limited_and_a_host_may_keep_no_pictures() {
    let gallery = Gallery::with_rates(settings(), RateLimits::default()).await;
    for _ in 0..10 {
        gallery.accounts.upload_avatar(&gallery.caller, picture(8, 8, ImageFormat::Png)).await.unwrap();
    }
    let error = gallery.accounts.upload_avatar(&gallery.caller, picture(8, 8, ImageFormat::Png)).await.unwrap_err();
    assert_eq!(error, Error::RateLimited { retry_after: 360 });
    let gallery = Gallery::new(settings()).await;
    let error = gallery.world.accounts.upload_avatar(&gallery.caller, Bytes::new()).await.unwrap_err();
    assert_eq!(error.code(), Code::NotImplemented);
}

#[tokio::test]
async fn the_picture_of_a_deleted_account_is_removed() {
    let gallery = Gallery::new(settings()).await;
    gallery.accounts.upload_avatar(&gallery.caller, picture(8, 8, ImageFormat::Png)).await.unwrap();
    gallery.accounts.delete_account(&gallery.caller, &here(), PASSWORD).await.unwrap();
    kit::in_time(async {
        while gallery.kept().await > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_uploads_at_once_one_picture_stays_and_another_address_removes_it() {
    let gallery = Gallery::new(settings()).await;
    for _ in 0..10 {
        let uploads: Vec<_> = (0..4)
            .map(|_| {
                let (accounts, caller) = (gallery.accounts.clone(), gallery.caller.clone());
                tokio::spawn(async move { accounts.upload_avatar(&caller, picture(8, 8, ImageFormat::Png)).await })
            })
            .collect();
        for upload in uploads {
            upload.await.unwrap().unwrap();
        }
        assert_eq!(gallery.kept().await, 3);
    }
    let url = Some(Some("https://example.org/ada.png".to_owned()));
    let update = UpdateAccount { avatar_url: url.clone(), ..UpdateAccount::default() };
    let account = gallery.accounts.update_me(&gallery.caller, update).await.unwrap();
    assert_eq!((Some(account.avatar_url), gallery.kept().await), (url, 0));
}

#[tokio::test]
async fn an_erasure_waits_for_a_process_that_keeps_pictures() {
    let gallery = Gallery::new(settings()).await;
    let (world, user) = (&gallery.world, gallery.caller.user_id.clone());
    gallery.accounts.upload_avatar(&gallery.caller, picture(8, 8, ImageFormat::Png)).await.unwrap();
    // A picture that an upload left behind, when its process ended before the account named it.
    let orphan = "0".repeat(32);
    let note = Pictures { user: user.clone(), id: orphan.clone() }.put(PictureRecord { since: world.chat.now() });
    world.store.commit(Change::of_records(vec![note])).await.unwrap();
    let place = Path::from(format!("avatars/{orphan}/64.png"));
    gallery.pictures.put(&place, Bytes::from_static(b"x").into()).await.unwrap();
    // This process keeps none.
    world.accounts.delete_account(&gallery.caller, &here(), PASSWORD).await.unwrap();
    let erasure = Erasures { user };
    let failed = async || world.store.get(&erasure).await.unwrap().is_some_and(|found| found.value.failures > 0);
    kit::in_time(async {
        while !failed().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(gallery.kept().await, 4);
    world.later(3_600);
    assert_eq!(gallery.accounts.resume_erasures().await.unwrap(), 1);
    assert_eq!((gallery.kept().await, world.store.get(&erasure).await.unwrap().is_none()), (0, true));
}
