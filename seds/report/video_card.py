"""A video on a page: what names it, a few pictures, and a link into the search page."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

import pandas as pd

from seds.config import Report
from seds.pages import html
from seds.report.thumbnails import thumbnails
from seds.video import VideoError

_THUMBNAIL = 144  # px


@dataclass(frozen=True)
class VideoCard:
    """A video on the page: pictures as data: URLs, or the problem why there are none."""

    video_id: str
    signer: str
    pictures: tuple[str, ...]
    problem: str
    link: str | None


def video_card(videos: pd.DataFrame, row: int, settings: Report) -> VideoCard:
    """Of a row of the videos table; a video that cannot be decoded says why."""
    video = next(videos.iloc[[row]].itertuples())
    link = search_link(settings.search_url, video=video.video_id)
    try:
        pictures = tuple(html.jpeg_url(image) for image in thumbnails(video, settings.frames, _THUMBNAIL))
    except (VideoError, ValueError, OSError) as error:
        return VideoCard(video.video_id, video.signer, (), str(error), link)
    return VideoCard(video.video_id, video.signer, pictures, "", link)


def search_link(base: str | None, **query: str) -> str | None:
    """A link into the search page: q=TEXT or video=VIDEO_ID; None where there is no base."""
    if base is None:
        return None
    return f"{base.rstrip('/')}/?{urlencode(query, quote_via=quote, errors='replace')}"
