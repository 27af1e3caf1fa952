/* A picture that does not arrive, as on a machine without internet, leaves the drawing behind it to be seen. */
"use strict";

const hide = image => { if (image.closest(".picture")) image.remove(); };

addEventListener("error", event => { if (event.target instanceof HTMLImageElement) hide(event.target); }, true);
for (const image of document.querySelectorAll(".picture img")) if (image.complete && !image.naturalWidth) hide(image);
