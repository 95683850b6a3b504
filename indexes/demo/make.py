"""Makes the demo's own media: the recording, the video and the sign.

    python -m indexes.demo.make

It needs the extra ``test``. What is said, shown and written was made up for mmsearch; espeak-ng
speaks it, and the video shows photos of this demo that are in the public domain or under CC0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from tests.filmed import Frame, moving, write_video
from tests.spoken import speak

MEDIA = Path(__file__).parent / "media"

LIGHTHOUSE = (
    "My grandfather kept the lighthouse on the northern point for thirty-one years.",
    "Every evening he climbed a hundred and twelve steps and lit the lamp before the sun was down.",
    "When the fog came in from the sea, he sounded the horn twice a minute until morning.",
    "Once a month a boat brought us flour, paraffin, old newspapers and letters.",
    "When I was seven, a storm broke the kitchen window and a herring landed in the soup.",
    "At night my sister and I lay awake and counted the seconds between the flashes.",
    "The lamp has been electric since nineteen seventy-four, and nobody lives there any more.",
    "But whenever I see a light far out on the water, I am a child again.",
)

GOOD_DAY = (
    ("coffee.jpg", "A good day begins with a small, strong coffee."),
    ("seeding.jpg", "At noon we lie in the grass and make a wish."),
    ("places/launch-complex-40.jpg", "In the evening the whole town waits for the countdown."),
    ("deep-field.jpg", "And at night we ask each other whether anybody lives out there."),
)
PAUSE = 1.5  # seconds between the sentences of the video
FPS = 12

SIGN = ("BAKERY", "rye bread on Fridays", "knock if closed")


def main() -> None:
    """Writes the files; what was there is replaced."""
    with TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.wav"
        make_recording(sound)
        make_video(sound)
    make_sign().save(MEDIA / "sign.jpg", quality=85)


def make_recording(sound: Path) -> None:
    """Tells the story, with its transcript beside it."""
    times = speak(sound, LIGHTHOUSE, voice="en", words_per_minute=155)
    write_mp3(MEDIA / "stories" / "lighthouse.mp3", sound)
    cues = (
        f"{number}\n{clock(start, ',')} --> {clock(end, ',')}\n{text}\n"
        for number, ((start, end), text) in enumerate(zip(times, LIGHTHOUSE, strict=True), 1)
    )
    (MEDIA / "stories" / "lighthouse.srt").write_text("\n".join(cues), "utf-8")


def make_video(sound: Path) -> None:
    """Films the scenes of a good day, each as long as its sentence and a pause."""
    texts = [text for _, text in GOOD_DAY]
    times = speak(sound, texts, words_per_minute=150, pause=PAUSE, lead=PAUSE / 2)
    frames = (
        (frame, start - PAUSE / 2 + i / FPS)
        for (name, _), (start, end) in zip(GOOD_DAY, times, strict=True)
        for i, frame in enumerate(look_at(MEDIA / name, end - start + PAUSE))
    )
    write_video(
        MEDIA / "stories" / "a-good-day.mp4",
        frames,
        sound=sound,
        fps=FPS,
        options={"preset": "veryslow", "crf": "27"},
    )
    cues = (
        f"{clock(start, '.')} --> {clock(end, '.')}\n{text}\n"
        for (start, end), text in zip(times, texts, strict=True)
    )
    (MEDIA / "stories" / "a-good-day.vtt").write_text("\n".join(("WEBVTT\n", *cues)), "utf-8")


def look_at(photo: Path, seconds: float) -> Iterator[Frame]:
    """A scene of the video."""
    with Image.open(photo) as picture:
        yield from moving(picture, round(seconds * FPS), (426, 240), noise=0)


def make_sign() -> Image.Image:
    """Paints an enamel sign on a brick wall."""
    wall = Image.new("RGB", (800, 600), (186, 178, 168))
    draw = ImageDraw.Draw(wall)
    for row in range(15):
        for column in range(-1, 9):
            x, y = column * 100 + row % 2 * 50, row * 40
            shade = (row * 7 + column * 13) % 5 * 6
            draw.rectangle((x + 3, y + 3, x + 97, y + 37), fill=(150 + shade, 74 + shade, 60))
    draw.rounded_rectangle((120, 150, 680, 450), 24, (22, 52, 110), (240, 240, 232), 8)
    for text, size, y in zip(SIGN, (96, 44, 32), (225, 325, 395), strict=True):
        draw.text((400, y), text, (250, 250, 244), ImageFont.load_default(size), anchor="mm")
    return (
        wall.rotate(-2, Image.Resampling.BICUBIC)
        .crop((30, 30, 770, 570))
        .filter(ImageFilter.GaussianBlur(0.8))
    )


def write_mp3(path: Path, sound: Path) -> None:
    """Encodes a wav file as mono mp3 of 40 kbit a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(sound)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libmp3lame", rate=22_050, layout="mono")
        stream.bit_rate = 40_000
        for frame in source.decode(audio=0):
            frame.pts = None
            target.mux(stream.encode(frame))
        target.mux(stream.encode())


def clock(seconds: float, point: str) -> str:
    """A moment as subtitles write it."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"00:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


if __name__ == "__main__":
    main()
