// Before anything is drawn: the theme that the person chose here, else the system's.
"use strict";
{
  const chosen = localStorage.getItem("matinv-theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
}
