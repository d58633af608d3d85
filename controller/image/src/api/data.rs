//! An image's bytes: upload and download.

use super::{find, target};
use crate::content::Upload;
use crate::image::ImageService;
use crate::image::model::{Image, ImageError, Status};
use axum::body::{Body, BodyDataStream};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use controller_web::{ApiError, Context};
use futures::StreamExt as _;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tracing::Instrument as _;

pub async fn upload(
    State(images): State<ImageService>,
    context: Context,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, ApiError> {
    if headers.get(header::CONTENT_TYPE).is_none_or(|t| t != "application/octet-stream") {
        return Err(ApiError::unsupported_media_type("Content type must be application/octet-stream"));
    }
    let image = find(&images, &context, &id).await?;
    context.enforce("upload_image", &target(&image))?;
    let (image, upload) = images.begin_upload(image).await?;
    // A client that goes away drops this future; the rest then runs on, so that the image does not stay `saving`.
    let saved = tokio::spawn(save(images, image, upload, body.into_data_stream()).in_current_span()).await;
    saved.map_err(ApiError::internal)??;
    Ok(StatusCode::NO_CONTENT)
}

async fn save(images: ImageService, image: Image, upload: Upload, body: BodyDataStream) -> Result<(), ImageError> {
    let done = match take(upload, body, images.max_bytes).await {
        Ok(upload) => images.finish_upload(image.clone(), upload).await.map(drop),
        Err(error) => Err(error),
    };
    if done.is_err() {
        images.cancel_upload(image).await;
    }
    done
}

async fn take(mut upload: Upload, mut body: BodyDataStream, limit: u64) -> Result<Upload, ImageError> {
    while let Some(chunk) = body.next().await {
        upload.write(&chunk.map_err(|_| ImageError::CutOff)?).await?;
        if upload.size() > limit {
            return Err(ImageError::TooLarge(limit));
        }
    }
    Ok(upload)
}

pub async fn download(
    State(images): State<ImageService>,
    context: Context,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let image = find(&images, &context, &id).await?;
    context.enforce("download_image", &target(&image).with("member_id", super::images::member_id(&context)))?;
    if image.status == Status::Deactivated && !context.is_admin() {
        return Err(ImageError::Deactivated.into());
    }
    let Some(data) = &image.data else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let size = u64::try_from(data.size).unwrap_or_default();
    let (start, end) = range(&headers, size)?.unwrap_or((0, size));
    let bytes = images.content.read(&data.sha256, start, end - start).await.map_err(ImageError::Store)?;
    let missing = || ApiError::internal(format!("bytes {} of image {} are missing", data.sha256, image.id));
    let mut response = Response::new(Body::from_stream(bytes.ok_or_else(missing)?));
    let reply = response.headers_mut();
    reply.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    reply.insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
    if end - start == size {
        reply.insert("content-md5", HeaderValue::from_str(&data.checksum).map_err(ApiError::internal)?);
    } else {
        let range = format!("bytes {start}-{}/{size}", end - 1);
        reply.insert(header::CONTENT_RANGE, HeaderValue::from_str(&range).map_err(ApiError::internal)?);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// The half-open range of a `Range: bytes=a-b` header.
fn range(headers: &HeaderMap, size: u64) -> Result<Option<(u64, u64)>, ApiError> {
    let Some(text) = headers.get(header::RANGE).and_then(|v| v.to_str().ok()) else { return Ok(None) };
    let wrong = || ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, format!("Invalid range {text}"));
    let (first, last) = text.strip_prefix("bytes=").and_then(|r| r.split_once('-')).ok_or_else(wrong)?;
    let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => (first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.is_empty() => (first, size),
        (Err(_), Ok(last)) if first.is_empty() => (size.saturating_sub(last), size),
        _ => return Err(wrong()),
    };
    if start < end { Ok(Some((start, end))) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<(u64, u64)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, text.parse().unwrap());
        range(&headers, 10).ok().flatten()
    }

    #[test]
    fn ranges_are_read_as_http_has_them() {
        assert_eq!(parse("bytes=2-4"), Some((2, 5)));
        assert_eq!(parse("bytes=2-"), Some((2, 10)));
        assert_eq!(parse("bytes=-3"), Some((7, 10)));
        assert_eq!(parse("bytes=2-99"), Some((2, 10)));
        for wrong in ["bytes=10-", "bytes=5-4", "lines=1-2", "bytes=-"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
