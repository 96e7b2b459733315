/**
 * @file The theme: system, light or dark, in a cookie that the server reads, so that no page starts
 * in the wrong theme.
 */

const WORDS = { system: 'Theme: system', light: 'Theme: light', dark: 'Theme: dark' };
const NEXT = { system: 'light', light: 'dark', dark: 'system' };
const YEAR_S = 31_536_000;

const root = document.documentElement;
const button = document.querySelector('[data-test=theme]');

const current = () => (root.dataset.theme === 'light' || root.dataset.theme === 'dark' ? root.dataset.theme : 'system');

function draw() {
  if (!button) return;
  const theme = current();
  button.title = WORDS[theme];
  button.querySelector('.label').textContent = WORDS[theme];
  button.hidden = false;
}

button?.addEventListener('click', () => {
  const theme = NEXT[current()];
  const secure = location.protocol === 'https:' ? '; Secure' : '';
  if (theme === 'system') {
    delete root.dataset.theme;
    document.cookie = `theme=; Path=/; Max-Age=0; SameSite=Lax${secure}`;
  } else {
    root.dataset.theme = theme;
    document.cookie = `theme=${theme}; Path=/; Max-Age=${YEAR_S}; SameSite=Lax${secure}`;
  }
  draw();
});

draw();
