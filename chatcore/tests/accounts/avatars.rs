use std::io::Cursor;

use bytes::Bytes;
use chatcore::accounts::AvatarSize;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use object_store::{ObjectStore, memory::InMemory};

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
            let png = gallery.accounts.avatar(id, size).await.unwrap();
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
    let png = gallery.accounts.avatar(&url["/pictures/".len()..], AvatarSize::Small).await.unwrap();
    assert!(!png.windows(6).any(|window| window == b"SECRET"));
    let image = image::load_from_memory(&png).unwrap().into_rgb8();
    assert!(image.get_pixel(2, 5).0[2] > 200, "blue is on the left now");
}

#[tokio::test]
async fn what_is_no_acceptable_picture_is_refused() {
    let small = AccountSettings { avatar_bytes: 20_000, avatar_pixels: 10_000, ..settings() };
    let gallery = Gallery::new(small).await;
    let png = picture(50, 50, ImageFormat::Png);
    let cases: [(Bytes, Code); 6] = [
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
        let error = gallery.accounts.avatar(id, AvatarSize::Large).await.unwrap_err();
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
