// What the page's own scripts put on the window, for the type check.
interface Window {
  /** What is known of Gradio, see gradio.js. */
  gradio: {
    seen: string;
    tab(id: string, chosen?: boolean): string;
    openTab(id: string): string;
    tabId(tab: HTMLElement): string;
    ofTabs: string[];
    slider(id: string): string;
    ofSlider: string;
    release(): Event;
    choice(group: Element, value: string): HTMLElement | null;
    choices: string;
    resets: string;
    lists: string;
    labelOf(part: Element): HTMLElement | null;
    editor: string;
    named: string;
    namesOf(control: Element): Element[];
    asks(path: string): boolean;
    joins(path: string): boolean;
    hears(path: string): boolean;
    eventOf(message: string): string | undefined;
    isEnd(message: string): boolean;
    isNews(message: string): boolean;
    END: string;
    CUT: string;
  };
  /** Where the visitor is, see store.js. */
  page: {
    here(): string;
    isOpen(place: string): boolean;
    cursor(id: string): number;
    linked(place: string, query: string, isUnderWay?: boolean): void;
    awaits(player: HTMLElement): boolean;
    hears(player: HTMLElement, order: number): void;
    takeRest(player: HTMLElement, order: number): { step?: number, logSnr?: number } | null;
    rest(place: string): { query: string, frame: number | null } | null;
    link(place: string): string;
    embedding(place: string): string;
    open(place: string): Promise<void>;
    opened(): void;
    lead(place: string): Promise<void>;
    ready(values: { place?: string }[]): Promise<unknown[]>;
    go(place: string, values: unknown[]): Promise<unknown[]>;
    look(model: string, tab: string): Promise<string | null>;
    remembered(name: string): string | null;
    remember(name: string, text: string): void;
  };
  /** Whether letters and digits are heard; an argument changes it. */
  singleKeys(wanted?: boolean): boolean;
}
