#!/usr/bin/env python3
"""Draws docs/fidelity.svg from the tables of docs/fidelity.md, those of recall, of single changes, of other programs and in subsections left out: ratio against mean KL, both axes logarithmic.

    python3 testdata/scripts/plot_fidelity.py docs/fidelity.md docs/fidelity.svg

Rows begin with the codec in backquotes, then ratio, then mean KL; methods of other people, and as published, are drawn in grey. Points of a family are joined.
"""
import html
import math
import re
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 460, 70, 30, 40, 60


def rows(path):
    found, wanted = [], True
    for line in open(path, encoding='utf-8'):
        if line.startswith('## '):
            wanted = not line.startswith(('## What helps', '## Recall', '## Where it is worse'))
        elif line.startswith('### '):
            wanted = False
        cells = [cell.strip() for cell in line.strip().strip('|').split('|')]
        if not wanted or len(cells) < 3 or not line.startswith('|') or ' / ' in cells[1] or not cells[0].startswith('`') or cells[0].startswith('`svd'):
            continue
        ratio = re.match(r'([0-9.]+)', cells[1].strip('*'))
        kl = re.match(r'([0-9]*\.[0-9]+)', cells[2].strip('*'))
        if ratio and kl and float(kl[1]) > 0:
            own = cells[0].startswith('`') and 'as published' not in cells[0] and not cells[0].startswith(('`kvtc', '`svd', '`cachegen'))
            name = cells[0].replace('`', '').replace(',entropy=off', '').replace(',rope=post,mean=off,sink=0', '').replace(' (16 x nominal, window of 128, as published)', ' (as published)')
            name = re.sub(r'klt:step=.*--group (\d)', r'klt --group \1', name)
            found.append((name, own, float(ratio[1]), float(kl[1])))
    return found


def main():
    source, target = sys.argv[1:3]
    points = rows(source)
    x_low, x_high = 1.5, max(p[2] for p in points) * 1.5
    y_low, y_high = min(p[3] for p in points) / 4.5, max(p[3] for p in points) * 1.6

    def x(ratio):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(ratio / x_low) / math.log(x_high / x_low)

    def y(kl):
        return TOP + (HEIGHT - TOP - BOTTOM) * math.log(y_high / kl) / math.log(y_high / y_low)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
           f'<text x="{LEFT}" y="22" font-size="15" fill="#222">How much smaller, and what the model notices (lower right is better)</text>']
    for ratio in (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 30, 40, 60, 80, 100):
        if x_low <= ratio <= x_high:
            out.append(f'<line x1="{x(ratio):.1f}" x2="{x(ratio):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#e4e4e4"/>')
            out.append(f'<text x="{x(ratio):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#444">{ratio}x</text>')
    for kl in (.002, .005, .01, .02, .05, .1, .2, .5):
        if y_low <= kl <= y_high:
            out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(kl):.1f}" y2="{y(kl):.1f}" stroke="#e4e4e4"/>')
            out.append(f'<text x="{LEFT - 8}" y="{y(kl) + 4:.1f}" text-anchor="end" fill="#444">{kl:g}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 18}" text-anchor="middle" fill="#222">times smaller than the 16-bit cache, whole file</text>')
    out.append(f'<text transform="translate(18 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle" fill="#222">mean KL divergence</text>')
    for family, colour in (('klt', '#0b63b5'), ('kvtc', '#9a9a9a')):
        curve = sorted((ratio, kl) for name, _, ratio, kl in points if name.startswith(family) and '--group' not in name and 'own' not in name)
        path = ' '.join(f'{x(ratio):.1f},{y(kl):.1f}' for ratio, kl in curve)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-opacity=".45" stroke-width="2"/>')
    placed = []
    for name, own, ratio, kl in points:
        px, py = x(ratio), y(kl)
        colour = '#0b63b5' if own else '#9a9a9a'
        out.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{5 if own else 4}" fill="{colour}"/>')
        label = html.escape(name)
        right = px + 9 + 6.1 * len(name) < WIDTH - 4
        tx, ty = (px + 9 if right else px - 9), py + 4
        while any(abs(ty - qy) < 12 and abs(tx - qx) < 6.1 * max(len(name), n) for qx, qy, n in placed):
            ty += 12
        placed.append((tx, ty, len(name)))
        out.append(f'<text x="{tx:.1f}" y="{ty:.1f}" text-anchor="{"start" if right else "end"}" fill="{colour}">{label}</text>')
    out.append('</svg>')
    with open(target, 'w', encoding='utf-8') as file:
        file.write('\n'.join(out) + '\n')


if __name__ == '__main__':
    main()
