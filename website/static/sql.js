/* A name for the editor that Datasette puts in the place of the box for SQL. */
"use strict";

addEventListener("load", () => document.querySelector(".cm-content")?.setAttribute("aria-label", "SQL"));
