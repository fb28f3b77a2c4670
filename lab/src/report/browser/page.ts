/** Starts the page: reads its data, draws its charts, keeps them fitted to width, theme and print. */
import type { PageData } from '../page-data.ts';
import { refit } from './chart-frame.ts';
import { drawKnee, drawPercentiles, drawTime } from './charts.ts';

const themes = ['auto', 'light', 'dark'] as const;
type Theme = (typeof themes)[number];
const storageKey = 'irontrack-lab-theme';

function readData(): PageData {
  const text = document.getElementById('data')?.textContent ?? '';
  const data: PageData = JSON.parse(text);
  return data;
}

/** A file opened from disk may have no storage; then the choice lasts as long as the page. */
function recallTheme(): Theme {
  try {
    const kept = localStorage.getItem(storageKey);
    return themes.find((theme) => theme === kept) ?? 'auto';
  } catch {
    return 'auto';
  }
}

function applyTheme(theme: Theme, button: HTMLElement | null): void {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  if (button !== null) button.textContent = `Theme: ${theme}`;
  refit();
}

function start(): void {
  const { sides, knee } = readData();
  drawPercentiles(sides);
  drawTime(sides);
  if (knee !== null) drawKnee(knee);

  const button = document.getElementById('theme');
  let theme = recallTheme();
  applyTheme(theme, button);
  if (button !== null) button.hidden = false;
  button?.addEventListener('click', () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length] ?? 'auto';
    try {
      localStorage.setItem(storageKey, theme);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
    applyTheme(theme, button);
  });

  let frame = 0;
  const later = () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(refit);
  };
  addEventListener('resize', later);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', later);
  // Paper is light and shows everything that is folded.
  const folded: HTMLDetailsElement[] = [];
  matchMedia('print').addEventListener('change', ({ matches }) => {
    if (matches)
      for (const details of document.querySelectorAll<HTMLDetailsElement>('main details:not([open])')) {
        details.open = true;
        folded.push(details);
      }
    else for (const details of folded.splice(0)) details.open = false;
    refit();
  });
}

start();
