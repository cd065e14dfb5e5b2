/** Where the site begins, with a slash at the end: what every address within it starts with. */
export const base = import.meta.env.BASE_URL.replace(/\/?$/, '/');
